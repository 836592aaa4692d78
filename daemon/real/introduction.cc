#include "daemon/real/introduction.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/job_text.h"
#include "topology/error.h"

namespace kith {

namespace {

constexpr size_t kLongest = 60'000;
constexpr size_t kMostTold = 3;
constexpr size_t kLongestValue = 60;

// Of others, for a log and a terminal.
std::string shown(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  if (text.size() > kLongestValue) text = text.substr(0, kLongestValue) + "...";
  return text;
}

// "nodes 8\nrun 77\ndata 784 features, 10 classes\n", then the job file.
constexpr std::string_view kNodes = "nodes ";
constexpr std::string_view kRun = "run ";
constexpr std::string_view kData = "data ";

struct Introduction {
  uint32_t nodes = 0;
  uint64_t run = 0;
  std::string data;
  std::string job;
};

// What a line says behind `word`; takes the line off.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view word) {
  const size_t line = text.find('\n');
  if (!text.starts_with(word) || line == text.npos) return std::nullopt;
  const std::string_view said = text.substr(word.size(), line - word.size());
  text.remove_prefix(line + 1);
  return said;
}

template <typename T>
bool read_number(std::optional<std::string_view> text, T& number) {
  return text &&
         std::from_chars(text->data(), text->data() + text->size(), number).ec == std::errc();
}

std::optional<Introduction> read(std::span<const std::byte> bytes) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.size() > 2 * kLongest) return std::nullopt;
  Introduction read;
  if (!read_number(take_line(text, kNodes), read.nodes)) return std::nullopt;
  if (!read_number(take_line(text, kRun), read.run)) return std::nullopt;
  const std::optional<std::string_view> data = take_line(text, kData);
  if (!data) return std::nullopt;
  read.data = shown(std::string(*data));
  read.job = text;
  return read;
}

std::string shown(const JobSection& section, const std::string& key) {
  const auto found = section.find(key);
  return found == section.end() ? "not set" : shown(to_text(found->second));
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

std::string introduction_of(const control::StartRequest& start, const std::string& data) {
  std::string text = std::string(kNodes) + std::to_string(start.nodes) + "\n";
  text += std::string(kRun) + std::to_string(start.run) + "\n";
  text += std::string(kData) + data + "\n";
  return start.job.size() > kLongest ? text : text + start.job;
}

std::string other_data(const control::StartRequest& ours, const std::string& data,
                       std::span<const std::byte> theirs) {
  const std::optional<Introduction> read = kith::read(theirs);
  const bool same = read && read->nodes == ours.nodes && read->run == ours.run &&
                    (read->job == ours.job || read->job.empty());
  return same && read->data != shown(data) ? read->data : std::string();
}

std::string difference(const control::StartRequest& ours, std::span<const std::byte> theirs) {
  const std::optional<Introduction> read = kith::read(theirs);
  if (!read || read->job.empty()) return {};
  std::vector<std::string> found;
  if (read->nodes != ours.nodes) {
    found.push_back("the run has " + std::to_string(ours.nodes) + " nodes here and " +
                    std::to_string(read->nodes) + " there");
  }
  try {
    for (std::string& each : differences(ours.job, read->job)) {
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
