// Typed options of anything that a job file names by kind: algorithm, codec, graph, model.
//
// Each kind declares its keys once, beside its code; the same declaration checks the job file,
// fills in what is absent and prints the help.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kith {

using OptionValue = std::variant<bool, int64_t, double, std::string, std::vector<double>>;

struct OptionSpec {
  enum class Type : uint8_t { kFlag, kInteger, kNumber, kText, kNumbers };

  const char* key;
  Type type;
  OptionValue fallback;                                       // holds the type's alternative
  const char* help;                                           // one line; with the unit
  double minimum = -std::numeric_limits<double>::infinity();  // integers and numbers, inclusive
  double maximum = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices = {};  // texts; empty = any
};

using OptionSpecs = std::vector<OptionSpec>;

const char* type_name(OptionSpec::Type type);

// "1", "0.5", "atc", "[1, 2]": as it would stand in a job file, for help and error messages.
std::string to_text(const OptionValue& value);

class Options {
 public:
  Options() = default;

  // Checks `given` against `specs` and fills in the rest. An integer serves where a number is
  // wanted and a number where a list is. Throws OperatorError naming `where.key`: unknown (with the
  // known ones), wrong type, out of range.
  Options(const std::string& where, const OptionSpecs& specs,
          const std::map<std::string, OptionValue>& given);

  bool flag(std::string_view key) const;
  int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  const std::string& text(std::string_view key) const;
  const std::vector<double>& numbers(std::string_view key) const;

  const std::map<std::string, OptionValue, std::less<>>& values() const { return values_; }

 private:
  const OptionValue& at(std::string_view key) const;

  std::map<std::string, OptionValue, std::less<>> values_;
};

}  // namespace kith
