#include "daemon/delay_trace.h"

#include <algorithm>
#include <charconv>
#include <fstream>

#include "topology/error.h"

namespace kith {

namespace {

constexpr const char* kForm = "a line is one number of seconds, from 0 to 1000000000";

std::string without_comment(std::string line) {
  constexpr const char* kBlank = " \t\r";
  line.resize(std::min(line.size(), line.find('#')));
  const size_t first = line.find_first_not_of(kBlank);
  if (first == std::string::npos) return "";
  return line.substr(first, line.find_last_not_of(kBlank) - first + 1);
}

double value_of(const std::string& text, const std::string& where) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  const bool number = error == std::errc{} && stopped == end;
  if (number && value >= 0 && value <= 1e9) return value;
  throw OperatorError(where + "\"" + text +
                      (number ? "\" is out of range: " : "\" is no number: ") + kForm);
}

}  // namespace

std::vector<double> read_delay_trace(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw OperatorError("cannot read the trace " + path + ": is there such a file?");
  std::vector<double> values;
  std::string line;
  uint64_t number = 0;
  while (std::getline(file, line)) {
    ++number;
    const std::string text = without_comment(std::move(line));
    if (text.empty()) continue;
    values.push_back(value_of(text, path + ":" + std::to_string(number) + ": "));
  }
  if (file.bad()) throw OperatorError("reading the trace " + path + " failed");
  if (values.empty()) {
    throw OperatorError("the trace " + path + " holds no number in its " + std::to_string(number) +
                        " lines: " + kForm);
  }
  return values;
}

}  // namespace kith
