#include "daemon/job_text.h"

#include <toml++/toml.h>

#include <optional>
#include <sstream>

#include "topology/error.h"

namespace kith {

namespace {

std::optional<OptionValue> value_of(const toml::node& node) {
  if (const auto* flag = node.as_boolean()) return flag->get();
  if (const auto* integer = node.as_integer()) return integer->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* text = node.as_string()) return text->get();
  const toml::array* list = node.as_array();
  if (!list) return std::nullopt;
  std::vector<double> numbers;
  for (const toml::node& element : *list) {
    const std::optional<double> number = element.value<double>();
    if (!number || !element.is_number()) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

std::string position(const toml::source_region& source) {
  return "line " + std::to_string(source.begin.line) + ", column " +
         std::to_string(source.begin.column);
}

JobSection read_section(const std::string& name, const toml::table& table) {
  JobSection section;
  for (const auto& [key, node] : table) {
    const std::string full = name + "." + std::string(key.str());
    const std::optional<OptionValue> value = value_of(node);
    if (!value) {
      throw OperatorError(position(node.source()) + ": " + full +
                          " must be a flag, a number, a text or a list of numbers");
    }
    section[std::string(key.str())] = *value;
  }
  return section;
}

toml::table parse(const std::string& toml) {
  try {
    return toml::parse(toml);
  } catch (const toml::parse_error& error) {
    throw OperatorError(position(error.source()) + ": " + std::string(error.description()));
  }
}

OptionValue override_value(const std::string& text) {
  try {
    const toml::table table = toml::parse("value = " + text);
    if (table.size() == 1) {
      if (const auto value = value_of(*table.get("value"))) return *value;
    }
  } catch (const toml::parse_error&) {
    // Not TOML: a text without quotes, which shells make awkward.
  }
  return text;
}

void insert(toml::table& table, const std::string& key, const OptionValue& value) {
  if (const auto* numbers = std::get_if<std::vector<double>>(&value)) {
    toml::array list;
    for (double number : *numbers) list.push_back(number);
    table.insert(key, std::move(list));
  }
  if (const auto* flag = std::get_if<bool>(&value)) table.insert(key, *flag);
  if (const auto* integer = std::get_if<int64_t>(&value)) table.insert(key, *integer);
  if (const auto* number = std::get_if<double>(&value)) table.insert(key, *number);
  if (const auto* text = std::get_if<std::string>(&value)) table.insert(key, *text);
}

}  // namespace

JobSections read_sections(const std::string& toml) {
  JobSections sections;
  for (const auto& [key, node] : parse(toml)) {
    const std::string name(key.str());
    const toml::table* table = node.as_table();
    if (!table) {
      throw OperatorError(position(node.source()) + ": " + name +
                          " stands outside of any section: put it under one, such as [train]");
    }
    sections[name] = read_section(name, *table);
  }
  return sections;
}

void apply_override(JobSections& sections, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  const size_t dot = assignment.find('.');
  const bool shaped =
      equals != std::string::npos && dot != std::string::npos && dot > 0 && dot + 1 < equals;
  if (!shaped) {
    throw OperatorError("--set takes section.key=value, such as train.batch=64, but got \"" +
                        assignment + "\"");
  }
  const std::string section = assignment.substr(0, dot);
  const std::string key = assignment.substr(dot + 1, equals - dot - 1);
  sections[section][key] = override_value(assignment.substr(equals + 1));
}

std::string write_sections(const JobSections& sections) {
  toml::table root;
  for (const auto& [name, section] : sections) {
    toml::table table;
    for (const auto& [key, value] : section) insert(table, key, value);
    root.insert(name, std::move(table));
  }
  std::ostringstream out;
  out << root << '\n';
  return out.str();
}

}  // namespace kith
