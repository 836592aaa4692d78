// What a node must not forget, as named numbers and vectors. One function per class both writes it
// at a checkpoint and reads it when a run goes on, so that the two cannot drift apart:
//
//   void persist(Archive& archive) {
//     archive.number("next_batch", next_batch_);
//     archive.vector("memory", memory_);
//   }
//
// Vectors that are shared blocks are referred to, not copied. What is read comes from a disk and is
// not trusted: a value that is missing or of another kind is left as it was and ok() is false from
// then on.
#pragma once

#include <concepts>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "protocol/buffer.h"
#include "protocol/time.h"

namespace kith {

class Archive {
 public:
  enum class Direction : uint8_t { kWrite, kRead };

  // `dimension`: p, floats of a vector. The pool outlives the archive.
  Archive(Direction direction, size_t dimension, Pool& pool)
      : direction_(direction), dimension_(dimension), pool_(&pool) {}

  bool reading() const { return direction_ == Direction::kRead; }
  bool ok() const { return ok_; }
  // Reading: what was found cannot be right.
  void refuse() { ok_ = false; }

  template <std::integral T>
  void number(const std::string& name, T& value) {
    uint64_t bits = static_cast<uint64_t>(value);
    word(name, bits);
    if (!reading()) return;
    value = static_cast<T>(bits);
    if (static_cast<uint64_t>(value) != bits) refuse();
  }
  void number(const std::string& name, double& value);
  void number(const std::string& name, float& value);
  void number(const std::string& name, Time& value);
  void number(const std::string& name, Duration& value);

  // As many as were written.
  void numbers(const std::string& name, std::span<uint64_t> values);

  // Of p floats; empty = there is none.
  void vector(const std::string& name, SharedBuffer& value);
  void vector(const std::string& name, std::vector<float>& value);

  // A block of any bytes; empty = there is none.
  void bytes(const std::string& name, SharedBuffer& value);

  // Everything that `part` persists, under names that begin with `name` and a dot. Its vectors have
  // p floats, or so many.
  template <class Part>
  void part(const std::string& name, Part& part, size_t floats = 0) {
    const std::string outer_prefix = prefix_;
    const size_t outer_dimension = dimension_;
    prefix_ += name + '.';
    if (floats > 0) dimension_ = floats;
    part.persist(*this);
    prefix_ = outer_prefix;
    dimension_ = outer_dimension;
  }

  // For whoever brings it to a disk and back; by full name.
  std::map<std::string, std::vector<uint64_t>> words;
  std::map<std::string, SharedBuffer> vectors;

 private:
  void word(const std::string& name, uint64_t& bits) { numbers(name, std::span(&bits, 1)); }

  Direction direction_;
  size_t dimension_;
  Pool* pool_;
  std::string prefix_;
  bool ok_ = true;
};

}  // namespace kith
