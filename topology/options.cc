#include "topology/options.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "topology/assert.h"
#include "topology/error.h"

namespace kith {

namespace {

using Type = OptionSpec::Type;

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

// The value as the type that the key wants, or nothing where it cannot be.
bool convert(const OptionValue& given, Type wanted, OptionValue& out) {
  if (given.index() == static_cast<size_t>(wanted)) {
    out = given;
    return true;
  }
  if (const auto* integer = std::get_if<int64_t>(&given)) {
    if (wanted == Type::kNumber) out = static_cast<double>(*integer);
    if (wanted == Type::kNumbers) out = std::vector<double>{static_cast<double>(*integer)};
    return wanted == Type::kNumber || wanted == Type::kNumbers;
  }
  if (const auto* number = std::get_if<double>(&given); number && wanted == Type::kNumbers) {
    out = std::vector<double>{*number};
    return true;
  }
  return false;
}

std::string known_keys(const OptionSpecs& specs) {
  if (specs.empty()) return "it takes no keys";
  std::string text = "it takes ";
  for (size_t i = 0; i < specs.size(); ++i) text += (i ? ", " : "") + std::string(specs[i].key);
  return text;
}

void check_range(const std::string& name, const OptionSpec& spec, double value) {
  if (std::isnan(value) || value < spec.minimum || value > spec.maximum) {
    throw OperatorError(name + " is " + number_text(value) + ", but must be between " +
                        number_text(spec.minimum) + " and " + number_text(spec.maximum));
  }
}

void check(const std::string& name, const OptionSpec& spec, const OptionValue& value) {
  if (spec.type == Type::kInteger) {
    check_range(name, spec, static_cast<double>(std::get<int64_t>(value)));
  }
  if (spec.type == Type::kNumber) check_range(name, spec, std::get<double>(value));
  if (spec.type == Type::kNumbers) {
    for (double v : std::get<std::vector<double>>(value)) check_range(name, spec, v);
  }
  if (spec.type == Type::kText && !spec.choices.empty()) {
    const auto& text = std::get<std::string>(value);
    if (std::ranges::find(spec.choices, text) == spec.choices.end()) {
      std::string message = name + " is \"" + text + "\", but must be one of";
      for (const std::string& choice : spec.choices) message += " \"" + choice + "\"";
      throw OperatorError(message);
    }
  }
}

}  // namespace

const char* type_name(Type type) {
  switch (type) {
    case Type::kFlag: return "true or false";
    case Type::kInteger: return "integer";
    case Type::kNumber: return "number";
    case Type::kText: return "text";
    case Type::kNumbers: return "list of numbers";
  }
  KITH_ASSERT(false && "type without a name");
  return "";
}

std::string to_text(const OptionValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&value)) return std::to_string(*integer);
  if (const auto* number = std::get_if<double>(&value)) return number_text(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return '"' + *text + '"';
  std::string list = "[";
  for (double v : std::get<std::vector<double>>(value)) {
    list += (list.size() > 1 ? ", " : "") + number_text(v);
  }
  return list + "]";
}

Options::Options(const std::string& where, const OptionSpecs& specs,
                 const std::map<std::string, OptionValue>& given) {
  for (const OptionSpec& spec : specs) {
    KITH_ASSERT(spec.fallback.index() == static_cast<size_t>(spec.type));
    values_[spec.key] = spec.fallback;
  }
  for (const auto& given_value : given) {
    const std::string& key = given_value.first;
    const OptionValue& value = given_value.second;
    const auto spec =
        std::ranges::find_if(specs, [&](const OptionSpec& s) { return key == s.key; });
    const std::string name = where + "." + key;
    if (spec == specs.end()) {
      throw OperatorError(name + " is not a key that exists: " + known_keys(specs));
    }
    OptionValue converted;
    if (!convert(value, spec->type, converted)) {
      throw OperatorError(name + " is " + to_text(value) + ", but must be of type " +
                          type_name(spec->type));
    }
    check(name, *spec, converted);
    values_[key] = std::move(converted);
  }
}

const OptionValue& Options::at(std::string_view key) const {
  const auto found = values_.find(key);
  KITH_ASSERT(found != values_.end());
  return found->second;
}

bool Options::flag(std::string_view key) const { return std::get<bool>(at(key)); }
int64_t Options::integer(std::string_view key) const { return std::get<int64_t>(at(key)); }
double Options::number(std::string_view key) const { return std::get<double>(at(key)); }
const std::string& Options::text(std::string_view key) const {
  return std::get<std::string>(at(key));
}
const std::vector<double>& Options::numbers(std::string_view key) const {
  return std::get<std::vector<double>>(at(key));
}

}  // namespace kith
