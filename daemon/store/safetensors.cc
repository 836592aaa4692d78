#include "daemon/store/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "daemon/store/file.h"
#include "topology/assert.h"
#include "topology/error.h"

namespace kith {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kHeaderLimit = 100'000'000;  // as the reference implementation

size_t count_of(const std::vector<size_t>& shape) {
  size_t count = 1;
  for (size_t side : shape) count *= side;
  return count;
}

std::string header_of(const std::vector<TensorSpec>& tensors, const Metadata& metadata) {
  ordered_json header = ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  size_t offset = 0;
  for (const TensorSpec& tensor : tensors) {
    const size_t end = offset + count_of(tensor.shape) * sizeof(float);
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the values start at a multiple of 8
  return text;
}

// One entry of the header, judged against the bytes that are there.
struct Entry {
  TensorSpec tensor;
  uint64_t begin = 0;
  uint64_t end = 0;
};

std::optional<Entry> read_entry(const std::string& name, const json& value) {
  if (!value.is_object() || value.size() != 3 || !value.contains("shape")) return std::nullopt;
  if (value.value("dtype", json()) != "F32") return std::nullopt;
  const json offsets = value.value("data_offsets", json());
  if (!offsets.is_array() || offsets.size() != 2 || !value["shape"].is_array()) return std::nullopt;
  if (!offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) return std::nullopt;
  Entry entry{{name, {}}, offsets[0], offsets[1]};
  uint64_t bytes = sizeof(float);
  for (const json& side : value["shape"]) {
    if (!side.is_number_unsigned()) return std::nullopt;
    const uint64_t length = side;
    if (length > 0 && bytes > std::numeric_limits<uint64_t>::max() / length) return std::nullopt;
    bytes *= length;
    entry.tensor.shape.push_back(length);
  }
  if (entry.end < entry.begin || entry.end - entry.begin != bytes) return std::nullopt;
  return entry;
}

class Refusal {
 public:
  explicit Refusal(const std::filesystem::path& path) : path_(path.string()) {}
  [[noreturn]] void operator()(const std::string& why) const {
    throw OperatorError(path_ + " is not a safetensors file of 32-bit floats: " + why);
  }

 private:
  std::string path_;
};

json parse_header(std::string_view file, const Refusal& refuse, size_t& data_start) {
  if (file.size() < kLengthBytes) refuse("it is shorter than its 8 bytes of length");
  uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length > kHeaderLimit || length > file.size() - kLengthBytes) {
    refuse("its header is longer than the file");
  }
  data_start = kLengthBytes + length;
  json header = json::parse(file.substr(kLengthBytes, length), nullptr, false);
  if (header.is_discarded() || !header.is_object()) refuse("its header is not a JSON object");
  return header;
}

Metadata read_metadata(const json& header, const Refusal& refuse) {
  Metadata metadata;
  const auto found = header.find("__metadata__");
  if (found == header.end()) return metadata;
  if (!found->is_object()) refuse("its metadata is not a table of texts");
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) refuse("its metadata is not a table of texts");
    metadata[key] = value;
  }
  return metadata;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::vector<TensorSpec>& tensors,
                       std::span<const std::span<const float>> parts, const Metadata& metadata) {
  size_t missing = 0;
  for (const TensorSpec& tensor : tensors) missing += count_of(tensor.shape);
  for (const std::span<const float> part : parts) missing -= part.size();
  KITH_ASSERT(missing == 0);
  const std::string header = header_of(tensors, metadata);
  const uint64_t length = header.size();
  std::vector<std::span<const std::byte>> bytes = {std::as_bytes(std::span(&length, 1)),
                                                   bytes_of(header)};
  for (const std::span<const float> part : parts) bytes.push_back(std::as_bytes(part));
  write_atomically(path, bytes);
}

StoredTensors read_safetensors(const std::filesystem::path& path) {
  const Refusal refuse(path);
  const std::string file = read_file(path);
  size_t data_start = 0;
  const json header = parse_header(file, refuse, data_start);
  StoredTensors stored;
  stored.metadata = read_metadata(header, refuse);

  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") continue;
    std::optional<Entry> entry = read_entry(name, value);
    if (!entry) refuse("the entry of tensor \"" + name + "\" is wrong or of another type");
    entries.push_back(std::move(*entry));
  }
  std::ranges::stable_sort(entries, {}, &Entry::begin);
  uint64_t expected = 0;
  for (Entry& entry : entries) {
    if (entry.begin != expected) refuse("tensor \"" + entry.tensor.name + "\" is out of place");
    expected = entry.end;
    stored.tensors.push_back(std::move(entry.tensor));
  }
  if (expected != file.size() - data_start) refuse("its values are cut short or too many");
  stored.values.resize(expected / sizeof(float));
  std::memcpy(stored.values.data(), file.data() + data_start, expected);
  return stored;
}

}  // namespace kith
