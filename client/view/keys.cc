#include "client/view/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "daemon/job.h"
#include "protocol/theory/delay.h"

namespace kith {

namespace {

// A section's fixed keys, then the keys that each kind adds.
struct SectionKeys {
  std::string name;
  OptionSpecs fixed;
  std::vector<JobKind> kinds;
};

std::vector<SectionKeys> sections() {
  std::vector<SectionKeys> all;
  for (const JobKey& key : job_keys()) {
    if (all.empty() || all.back().name != key.section) all.push_back({key.section, {}, {}});
    all.back().fixed.push_back(key.spec);
  }
  for (const JobKind& kind : job_kinds()) {
    const auto section = std::ranges::find(all, kind.section, &SectionKeys::name);
    section->kinds.push_back(kind);
  }
  return all;
}

std::string bound(double value) {
  return std::isinf(value) ? (value < 0 ? "-inf" : "inf") : fmt::format("{:.10g}", value);
}

// What may be written: choices, or the type with its range.
std::string range_of(const OptionSpec& spec) {
  if (!spec.choices.empty()) {
    std::string text;
    for (const std::string& choice : spec.choices) {
      if (!choice.empty()) text += (text.empty() ? "" : ", ") + choice;
    }
    return text;
  }
  std::string text = type_name(spec.type);
  const bool low = std::isfinite(spec.minimum);
  const bool high = std::isfinite(spec.maximum);
  if (low && high) text += ", " + bound(spec.minimum) + " to " + bound(spec.maximum);
  if (low && !high) text += ", from " + bound(spec.minimum);
  if (!low && high) text += ", up to " + bound(spec.maximum);
  return text;
}

std::string markdown_row(const std::string& key, const OptionSpec& spec) {
  return fmt::format("| `{}` | {} | `{}` | {} |\n", key, range_of(spec), to_text(spec.fallback),
                     spec.help);
}

std::string text_row(const OptionSpec& spec) {
  return fmt::format("  {} = {}\n      {}  ({})\n", spec.key, to_text(spec.fallback), spec.help,
                     range_of(spec));
}

std::string laws_text() {
  std::string text = "\n  laws, in seconds:\n";
  std::istringstream laws(delay_help());
  for (std::string law; std::getline(laws, law);) text += "    " + law + "\n";
  return text;
}

nlohmann::ordered_json json_row(const OptionSpec& spec) {
  return {{"key", spec.key},
          {"type", type_name(spec.type)},
          {"default", to_text(spec.fallback)},
          {"range", range_of(spec)},
          {"help", spec.help}};
}

}  // namespace

std::string keys_text() {
  std::string text = "Keys of a job file, with their defaults.\n";
  for (const SectionKeys& section : sections()) {
    text += fmt::format("\n[{}]\n", section.name);
    for (const OptionSpec& spec : section.fixed) text += text_row(spec);
    if (section.name == "delays") text += laws_text();
    for (const JobKind& kind : section.kinds) {
      text += fmt::format("\n  with {} = \"{}\": {}\n", kind.key, kind.name, kind.help);
      for (const OptionSpec& spec : kind.options) text += "  " + text_row(spec);
    }
  }
  return text;
}

std::string keys_markdown() {
  std::string text;
  for (const SectionKeys& section : sections()) {
    text += fmt::format("{}**[{}]**\n\n| key | value | default | meaning |\n|---|---|---|---|\n",
                        text.empty() ? "" : "\n", section.name);
    for (const OptionSpec& spec : section.fixed) text += markdown_row(spec.key, spec);
    for (const JobKind& kind : section.kinds) {
      text += fmt::format("| `{} = \"{}\"` | | | {} |\n", kind.key, kind.name, kind.help);
      for (const OptionSpec& spec : kind.options) {
        text += markdown_row(std::string(kind.name) + ": " + spec.key, spec);
      }
    }
  }
  return text;
}

std::string keys_json() {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const SectionKeys& section : sections()) {
    for (const OptionSpec& spec : section.fixed) {
      all.push_back(json_row(spec));
      all.back()["section"] = section.name;
    }
    for (const JobKind& kind : section.kinds) {
      for (const OptionSpec& spec : kind.options) {
        all.push_back(json_row(spec));
        all.back()["section"] = section.name;
        all.back()["with"] = fmt::format("{} = \"{}\"", kind.key, kind.name);
      }
    }
  }
  return all.dump(2);
}

}  // namespace kith
