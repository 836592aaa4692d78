#include "daemon/real/log.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>

#include "topology/error.h"

namespace kith {

namespace {

void append_time(std::string& line) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const std::time_t seconds = ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  const size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  line.append(text, n);
  std::snprintf(text, sizeof text, ".%03dZ", static_cast<int>(ms % 1000));
  line += text;
}

bool plain(std::string_view value) {
  if (value.empty()) return false;
  for (const char c : value) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) return false;
  }
  return true;
}

void append_value(std::string& line, std::string_view value) {
  if (plain(value)) {
    line += value;
    return;
  }
  line += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(c));
      line += escaped;
    } else {
      line += c;
    }
  }
  line += '"';
}

}  // namespace

Log::Log(Level level, const std::string& path) : level_(level), file_(stderr) {
  if (path.empty()) return;
  file_ = std::fopen(path.c_str(), "ae");
  if (file_ == nullptr) {
    throw OperatorError("The log file '" + path + "' cannot be written: " + std::strerror(errno) +
                        ".");
  }
}

Log::~Log() {
  if (file_ != stderr) std::fclose(file_);
}

void Log::write(std::string_view level, std::string_view event, Fields fields) {
  std::string line = "time=";
  append_time(line);
  line += " level=";
  line += level;
  if (node_) line += " node=" + std::to_string(*node_);
  line += " event=";
  append_value(line, event);
  for (const auto& [key, value] : fields) {
    line += ' ';
    line += key;
    line += '=';
    append_value(line, value);
  }
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), file_);
  std::fflush(file_);
}

Log::Level parse_log_level(const std::string& text) {
  if (text == "quiet") return Log::Level::kQuiet;
  if (text == "info") return Log::Level::kInfo;
  if (text == "debug") return Log::Level::kDebug;
  throw OperatorError("'" + text + "' is no log level: quiet, info and debug are.");
}

}  // namespace kith
