#include "protocol/archive.h"

#include <algorithm>
#include <bit>

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
