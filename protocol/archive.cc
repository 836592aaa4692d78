#include "protocol/archive.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace kith {

void Archive::number(const std::string& name, double& value) {
  uint64_t bits = std::bit_cast<uint64_t>(value);
  word(name, bits);
  if (reading()) value = std::bit_cast<double>(bits);
}

void Archive::number(const std::string& name, float& value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  number(name, bits);
  if (reading()) value = std::bit_cast<float>(bits);
}

void Archive::number(const std::string& name, Duration& value) {
  int64_t ns = value.count();
  number(name, ns);
  if (reading()) value = Duration(ns);
}

void Archive::number(const std::string& name, Time& value) {
  int64_t ns = value.time_since_epoch().count();
  number(name, ns);
  if (reading()) value = Time(Duration(ns));
}

void Archive::numbers(const std::string& name, std::span<uint64_t> values) {
  if (!reading()) {
    words[prefix_ + name].assign(values.begin(), values.end());
    return;
  }
  const auto found = words.find(prefix_ + name);
  if (found == words.end() || found->second.size() != values.size()) return refuse();
  std::ranges::copy(found->second, values.begin());
}

void Archive::bytes(const std::string& name, SharedBuffer& value) {
  constexpr size_t kWord = sizeof(uint64_t);
  std::vector<uint64_t>& packed = words[prefix_ + name];  // the number of bytes, then they
  if (!reading()) {
    packed.assign(1 + (value.size() + kWord - 1) / kWord, 0);
    packed[0] = value.size();
    if (value) std::memcpy(packed.data() + 1, value.data(), value.size());
    return;
  }
  value.reset();
  if (packed.empty() || packed[0] > (packed.size() - 1) * kWord) return refuse();
  if (packed[0] == 0) return;
  Buffer block = pool_->acquire(packed[0]);
  std::memcpy(block.data(), packed.data() + 1, block.size());
  value = std::move(block).freeze();
}

void Archive::vector(const std::string& name, SharedBuffer& value) {
  if (!reading()) {
    if (value) vectors[prefix_ + name] = value;
    return;
  }
  const auto found = vectors.find(prefix_ + name);
  if (found == vectors.end()) {
    value.reset();
  } else if (found->second.size() != dimension_ * sizeof(float)) {
    refuse();
  } else {
    value = found->second;
  }
}

void Archive::vector(const std::string& name, std::vector<float>& value) {
  SharedBuffer block;
  if (!reading() && !value.empty()) block = copy_of(value, *pool_);
  vector(name, block);
  if (!reading()) return;
  value.clear();
  if (block) value.assign(block.floats().begin(), block.floats().end());
}

}  // namespace kith
