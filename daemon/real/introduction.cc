#include "daemon/real/introduction.h"

#include <charconv>
#include <cstring>
#include <string_view>
#include <vector>

#include "daemon/job_text.h"
#include "topology/error.h"

namespace kith {

namespace {

constexpr size_t kLongest = 60'000;
constexpr size_t kMostTold = 3;
constexpr size_t kLongestValue = 60;

// "nodes 8\n", then the job file.
constexpr std::string_view kNodes = "nodes ";

std::string shown(const JobSection& section, const std::string& key) {
  const auto found = section.find(key);
  if (found == section.end()) return "not set";
  std::string text = to_text(found->second);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  if (text.size() > kLongestValue) text = text.substr(0, kLongestValue) + "...";
  return text;
}

void compare(const std::string& name, const JobSection& ours, const JobSection& theirs,
             std::vector<std::string>& out) {
  JobSection keys = ours;
  keys.insert(theirs.begin(), theirs.end());
  for (const auto& [key, unused] : keys) {
    const std::string here = shown(ours, key);
    const std::string there = shown(theirs, key);
    if (here == there) continue;
    out.push_back(name + "." + key + " is " + here + " here and " + there + " there");
  }
}

std::vector<std::string> differences(const std::string& ours, const std::string& theirs) {
  JobSections here = read_sections(ours);
  JobSections there = read_sections(theirs);
  JobSections names = here;
  names.insert(there.begin(), there.end());
  std::vector<std::string> out;
  for (const auto& [name, unused] : names) compare(name, here[name], there[name], out);
  return out;
}

}  // namespace

std::string introduction_of(const control::StartRequest& start) {
  if (start.job.size() > kLongest) return {};
  return std::string(kNodes) + std::to_string(start.nodes) + "\n" + start.job;
}

std::string difference(const control::StartRequest& ours, std::span<const std::byte> theirs) {
  const std::string_view text(reinterpret_cast<const char*>(theirs.data()), theirs.size());
  const size_t line = text.find('\n');
  uint32_t nodes = 0;
  if (text.size() > 2 * kLongest || !text.starts_with(kNodes) || line == text.npos) return {};
  if (std::from_chars(text.data() + kNodes.size(), text.data() + line, nodes).ec != std::errc()) {
    return {};
  }
  std::vector<std::string> found;
  if (nodes != ours.nodes) {
    found.push_back("the run has " + std::to_string(ours.nodes) + " nodes here and " +
                    std::to_string(nodes) + " there");
  }
  try {
    for (std::string& each : differences(ours.job, std::string(text.substr(line + 1)))) {
      found.push_back(std::move(each));
    }
  } catch (const OperatorError&) {
    return {};
  }
  if (found.empty()) return "it is another start of the same job";
  std::string told;
  for (size_t i = 0; i < std::min(found.size(), kMostTold); ++i) {
    told += (i > 0 ? "; " : "") + found[i];
  }
  if (found.size() > kMostTold) {
    told += "; and " + std::to_string(found.size() - kMostTold) + " more";
  }
  return told;
}

}  // namespace kith
