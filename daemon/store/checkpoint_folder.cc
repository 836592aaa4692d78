#include "daemon/store/checkpoint_folder.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "daemon/store/file.h"
#include "daemon/store/hash.h"
#include "daemon/store/safetensors.h"
#include "topology/error.h"

namespace kith {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kRunFile = "run";
constexpr const char* kBatchesFile = "batches";
constexpr const char* kEnding = ".safetensors";
constexpr int kDigits = 12;

std::string name_of(const Restart& entry) {
  const auto digits = [](Round round) {
    std::string text = std::to_string(round);
    return text.insert(0, kDigits - std::min<size_t>(kDigits, text.size()), '0');
  };
  std::string name = digits(entry.round);
  if (entry.last != entry.round) name += '-';
  if (entry.last != entry.round && entry.last != Restart::kAnyLater) name += digits(entry.last);
  return name + kEnding;
}

std::optional<Restart> entry_of(const std::string& name) {
  Restart entry;
  const char* const end = name.data() + name.size();
  const char* at = std::from_chars(name.data(), end, entry.round).ptr;
  entry.last = entry.round;
  if (at != end && *at == '-') {
    entry.last = Restart::kAnyLater;
    at = std::from_chars(at + 1, end, entry.last).ptr;
  }
  const bool whole = 0 < entry.round && entry.round <= entry.last && name == name_of(entry);
  return whole ? std::optional(entry) : std::nullopt;
}

std::string checksum(const std::string& owner, std::string numbers,
                     std::vector<std::span<const float>> vectors) {
  numbers += owner;
  // The text as well: padded to whole floats.
  std::vector<float> text((numbers.size() + sizeof(float) - 1) / sizeof(float));
  std::memcpy(text.data(), numbers.data(), numbers.size());
  vectors.push_back(text);
  return hash_parameters(vectors);
}

// Throws json::exception where it is something else.
std::map<std::string, std::vector<uint64_t>> parse_numbers(const std::string& text) {
  return json::parse(text).get<std::map<std::string, std::vector<uint64_t>>>();
}

}  // namespace

CheckpointFolder::CheckpointFolder(fs::path path) : path_(std::move(path)) {
  std::error_code problem;
  fs::create_directories(path_, problem);
  if (problem || !fs::is_directory(path_)) {
    throw OperatorError("cannot make the folder " + path_.string() + ": " + problem.message());
  }
}

fs::path CheckpointFolder::file_of(const Restart& entry) const { return path_ / name_of(entry); }

std::vector<Restart> CheckpointFolder::listed() const {
  std::vector<Restart> entries;
  std::error_code problem;
  for (const fs::directory_entry& file : fs::directory_iterator(path_, problem)) {
    if (const auto entry = entry_of(file.path().filename().string())) entries.push_back(*entry);
  }
  std::ranges::sort(entries, std::greater<>(), &Restart::round);
  return entries;
}

// Nothing where the file is damaged or none of this node's in this run.
std::optional<StoredTensors> CheckpointFolder::read_whole(const Restart& entry) const {
  try {
    StoredTensors stored = read_safetensors(file_of(entry));
    const auto numbers = stored.metadata.find("numbers");
    const auto sum = stored.metadata.find("checksum");
    if (numbers == stored.metadata.end() || sum == stored.metadata.end()) return std::nullopt;
    const std::string owner = std::to_string(owner_);
    if (checksum(owner, numbers->second, {stored.values}) != sum->second) return std::nullopt;
    return stored;
  } catch (const OperatorError&) {
    return std::nullopt;
  }
}

void CheckpointFolder::begin(const std::string& run, uint64_t owner) {
  clear();
  go_on(run, owner);
}

void CheckpointFolder::go_on(const std::string& run, uint64_t owner) {
  owner_ = owner;
  write_atomically(path_ / kRunFile, run);
}

std::optional<std::string> CheckpointFolder::read_run() const {
  if (!fs::exists(path_ / kRunFile)) return std::nullopt;
  return read_file(path_ / kRunFile);
}

void CheckpointFolder::add(const Checkpoint& checkpoint, Round apart) {
  const Archive& archive = *checkpoint.state;
  std::vector<TensorSpec> tensors;
  std::vector<std::span<const float>> vectors;
  for (const auto& [name, block] : archive.vectors) {
    vectors.push_back(block.floats());
    tensors.push_back({name, {vectors.back().size()}});
  }
  const std::string numbers = json(archive.words).dump();
  write_safetensors(file_of(checkpoint), tensors, vectors,
                    {{"format", "kith checkpoint"},
                     {"numbers", numbers},
                     {"checksum", checksum(std::to_string(owner_), numbers, vectors)}});
  for (const Restart& entry : needless(listed(), checkpoint.every, apart)) {
    std::error_code problem;
    fs::remove(file_of(entry), problem);
  }
}

std::vector<Restart> CheckpointFolder::entries() const {
  std::vector<Restart> entries = listed();
  std::erase_if(entries, [this](const Restart& entry) { return !read_whole(entry); });
  return entries;
}

std::unique_ptr<Archive> CheckpointFolder::read(const Restart& entry, size_t dimension,
                                                Pool& pool) const {
  const std::optional<StoredTensors> stored = read_whole(entry);
  if (!stored) return nullptr;
  auto archive = std::make_unique<Archive>(Archive::Direction::kRead, dimension, pool);
  try {
    archive->words = parse_numbers(stored->metadata.at("numbers"));
  } catch (const json::exception&) {
    return nullptr;
  }
  std::span<const float> rest = stored->values;
  for (const TensorSpec& tensor : stored->tensors) {
    const size_t floats = tensor.shape.size() == 1 ? tensor.shape[0] : 0;
    if (floats == 0) return nullptr;
    archive->vectors[tensor.name] = copy_of(rest.first(floats), pool);
    rest = rest.subspan(floats);
  }
  return archive;
}

void CheckpointFolder::say_batches(uint64_t batches) const {
  write_atomically(path_ / kBatchesFile, std::to_string(batches));
}

uint64_t CheckpointFolder::batches() const {
  if (!fs::exists(path_ / kBatchesFile)) return 0;
  const std::string text = read_file(path_ / kBatchesFile);
  uint64_t batches = 0;
  std::from_chars(text.data(), text.data() + text.size(), batches);
  return batches;
}

void CheckpointFolder::clear() {
  std::error_code problem;
  for (const Restart& entry : listed()) fs::remove(file_of(entry), problem);
  fs::remove(path_ / kRunFile, problem);
  fs::remove(path_ / kBatchesFile, problem);
  std::vector<fs::path> torn;  // by a crash in the middle of writing
  for (const fs::directory_entry& file : fs::directory_iterator(path_, problem)) {
    if (file.path().filename().string().find(".tmp") != std::string::npos) torn.push_back(file);
  }
  for (const fs::path& file : torn) fs::remove(file, problem);
}

std::optional<Restart> serving(const std::vector<Restart>& entries, Round round) {
  for (const Restart& entry : entries) {
    if (entry.serves(round)) return entry;
  }
  return std::nullopt;
}

std::vector<Restart> needless(const std::vector<Restart>& entries, Round every, Round apart) {
  const size_t most = CheckpointFolder::kKept + (apart + every - 1) / every;
  std::vector<Restart> needless;
  size_t kept = 0;
  Round newer = 0;  // 0 = none
  for (const Restart& entry : entries) {
    const Round last = std::min(entry.last, newer - 1);
    const bool needed = newer == 0 || last / every * every >= entry.round;
    newer = entry.round;
    if (!needed || ++kept > most) needless.push_back(entry);
  }
  return needless;
}

}  // namespace kith
