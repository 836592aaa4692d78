// Blocks of bytes that are written once and then shared, never copied.
//
//   Buffer       sole writer of a 64-byte-aligned block; move-only; freeze() makes it shared
//   SharedBuffer read-only, intrusive atomic count: a copy never touches the bytes
//   Payload      one message body: one SharedBuffer, or the chunks in which it came off the wire
//   Pool         recycles blocks; acquire on any thread, release from any thread (ZeroMQ lets go of
//                a sent block on its own I/O thread)
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace kith {

class Pool;

// Header of a block. Whoever takes the last reference away calls `release`.
struct Block {
  std::atomic<uint32_t> references{1};
  std::byte* data = nullptr;
  size_t size = 0;      // bytes in use
  size_t capacity = 0;  // bytes owned
  void (*release)(Block*) = nullptr;
  void* owner = nullptr;
};

class SharedBuffer {
 public:
  SharedBuffer() = default;
  // Takes over one reference.
  explicit SharedBuffer(Block* adopted) : block_(adopted) {}
  SharedBuffer(const SharedBuffer& other) : block_(other.block_) {
    if (block_) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  SharedBuffer(SharedBuffer&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  SharedBuffer& operator=(SharedBuffer other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~SharedBuffer() { reset(); }

  void reset();
  // Gives the reference away; the caller hands it back through SharedBuffer(Block*).
  Block* release() { return std::exchange(block_, nullptr); }

  explicit operator bool() const { return block_ != nullptr; }
  size_t size() const { return block_ ? block_->size : 0; }
  const std::byte* data() const { return block_ ? block_->data : nullptr; }
  std::span<const std::byte> bytes() const { return {data(), size()}; }

  // As floats; the block must be aligned and a whole number of floats (ours are, wire frames may
  // not be: those are decoded, never viewed).
  std::span<const float> floats() const;

  bool same_block(const SharedBuffer& other) const { return block_ == other.block_; }

 private:
  Block* block_ = nullptr;
};

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Block* sole) : block_(sole) {}
  Buffer(Buffer&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Buffer() { SharedBuffer(std::exchange(block_, nullptr)); }

  explicit operator bool() const { return block_ != nullptr; }
  size_t size() const { return block_ ? block_->size : 0; }
  std::byte* data() { return block_ ? block_->data : nullptr; }
  std::span<std::byte> bytes() { return {data(), size()}; }
  std::span<float> floats();

  // Up to the capacity that was acquired; the bytes stay where they are.
  void resize(size_t bytes);

  SharedBuffer freeze() && { return SharedBuffer(std::exchange(block_, nullptr)); }

 private:
  Block* block_ = nullptr;
};

class Pool {
 public:
  Pool();
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // A block of exactly `bytes` bytes, 64-byte aligned, contents undefined; its capacity is up to an
  // eighth larger. Blocks may outlive the Pool: the last one to come back frees what is left.
  Buffer acquire(size_t bytes);
  Buffer acquire_floats(size_t count) { return acquire(count * sizeof(float)); }

  size_t live_bytes() const;    // acquired and not yet released
  size_t cached_bytes() const;  // released and kept for the next acquire
  size_t peak_bytes() const;    // largest live + cached so far

 private:
  struct Shelf;
  Shelf* shelf_;
};

// A copy of `values` in a fresh block of `pool`.
SharedBuffer copy_of(std::span<const float> values, Pool& pool);

// The block as a writer again: itself where the caller held the only reference, else a copy of it
// in `pool`, so that whoever else reads it sees no change. For blocks of a Pool, not adopted ones.
Buffer writable(SharedBuffer&& shared, Pool& pool);

// A read-only block over foreign memory; `free(owner)` runs, on any thread, when the last reference
// goes. For received frames.
SharedBuffer adopt(std::byte* data, size_t size, void (*free)(void* owner), void* owner);

class Payload {
 public:
  // Every chunk but the last holds a multiple of this many bytes, so that a value never straddles.
  static constexpr size_t kChunkAlignment = 64;

  Payload() = default;
  Payload(SharedBuffer whole) : first_(std::move(whole)), size_(first_.size()) {}  // NOLINT
  // In order; at least one.
  static Payload from_chunks(std::vector<SharedBuffer> chunks);

  explicit operator bool() const { return static_cast<bool>(first_); }
  size_t size() const { return size_; }
  size_t chunks() const { return first_ ? 1 + (rest_ ? rest_->size() : 0) : 0; }
  const SharedBuffer& chunk(size_t i) const { return i == 0 ? first_ : (*rest_)[i - 1]; }

  // The bytes in one block: itself where it is one already, otherwise a copy.
  SharedBuffer contiguous(Pool& pool) const;

 private:
  SharedBuffer first_;
  std::shared_ptr<const std::vector<SharedBuffer>> rest_;
  size_t size_ = 0;
};

// The payload as floats that may be viewed: its own block where that is one and aligned (no copy),
// else a copy. The size must be a whole number of floats.
SharedBuffer floats_of(const Payload& payload, Pool& pool);

}  // namespace kith
