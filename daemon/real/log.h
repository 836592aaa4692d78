// Structured log: one line of key=value pairs an event.
//   time=2026-01-31T12:00:00.123Z level=info node=3 event=started job=mnist rounds=1000
// A value with spaces, quotes or control characters is written in quotes with escapes.
#pragma once

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace kith {

class Log {
 public:
  // kQuiet: warnings alone.
  enum class Level : uint8_t { kQuiet, kInfo, kDebug };

  using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;

  // To the file `path`, appending; empty = standard error. Throws OperatorError.
  explicit Log(Level level = Level::kQuiet, const std::string& path = "");
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Whether info() and debug() write at all: ask before making costly fields.
  bool wants(Level level) const { return level_ >= level; }

  void set_node(std::optional<uint32_t> node) { node_ = node; }

  void warning(std::string_view event, Fields fields) { write("warning", event, fields); }
  void info(std::string_view event, Fields fields) {
    if (wants(Level::kInfo)) write("info", event, fields);
  }
  void debug(std::string_view event, Fields fields) {
    if (wants(Level::kDebug)) write("debug", event, fields);
  }

 private:
  void write(std::string_view level, std::string_view event, Fields fields);

  Level level_;
  std::FILE* file_;
  std::optional<uint32_t> node_;
};

// "quiet", "info" or "debug"; throws OperatorError.
Log::Level parse_log_level(const std::string& text);

}  // namespace kith
