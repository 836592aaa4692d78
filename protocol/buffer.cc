#include "protocol/buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>

#include "protocol/limits.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr size_t kAlignment = 64;

// The capacity of a block: one of eight an octave, so that blocks whose size varies with the data
// (what passed a threshold, what was packed) serve each other, and a pool has few kinds of them. At
// most an eighth more than asked for, and never touched.
size_t capacity_for(size_t bytes) {
  const size_t step = std::max(kAlignment, std::bit_floor(bytes) / 8);
  return (std::max<size_t>(bytes, 1) + step - 1) / step * step;
}

// Of vectors so large that their pages have no room in the TLB: where an access here and there
// would wait for the page tables (adding a sparse vector: a fifth of its time), a page of 2 MiB
// helps.
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kWorthHugePages = 8 * kHugePage;

std::byte* allocate(size_t capacity) {
  const bool huge = capacity >= kWorthHugePages;
  const size_t alignment = huge ? kHugePage : kAlignment;
  const size_t bytes = (capacity + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, bytes);
  if (memory == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (huge) madvise(memory, bytes, MADV_HUGEPAGE);  // a hint: its refusal changes nothing
#endif
  return static_cast<std::byte*>(memory);
}

void drop_reference(Block* block) {
  if (block && block->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    block->release(block);
  }
}

struct Adopted {
  Block block;
  void (*free)(void*);
};

void release_adopted(Block* block) {
  auto* adopted = reinterpret_cast<Adopted*>(block);
  adopted->free(block->owner);
  delete adopted;
}

}  // namespace

void SharedBuffer::reset() { drop_reference(std::exchange(block_, nullptr)); }

std::span<const float> SharedBuffer::floats() const {
  KITH_ASSERT(reinterpret_cast<uintptr_t>(data()) % alignof(float) == 0);
  KITH_ASSERT(size() % sizeof(float) == 0);
  return {reinterpret_cast<const float*>(data()), size() / sizeof(float)};
}

std::span<float> Buffer::floats() {
  KITH_ASSERT(size() % sizeof(float) == 0);
  return {reinterpret_cast<float*>(data()), size() / sizeof(float)};
}

void Buffer::resize(size_t bytes) {
  KITH_ASSERT(block_ && bytes <= block_->capacity);
  block_->size = bytes;
}

// Free blocks by capacity. Outlives its Pool until the last live block is home: a sent frame may
// still sit in a ZeroMQ queue when its node is gone.
struct Pool::Shelf {
  std::mutex mutex;
  std::map<size_t, std::vector<Block*>> free_blocks;
  size_t live_blocks = 0;
  size_t live_bytes = 0;
  size_t cached_bytes = 0;
  size_t peak_bytes = 0;
  bool abandoned = false;

  static void destroy(Block* block) {
    std::free(block->data);
    delete block;
  }

  void clear() {
    for (auto& [capacity, blocks] : free_blocks) {
      for (Block* block : blocks) destroy(block);
    }
    free_blocks.clear();
    cached_bytes = 0;
  }

  static void take_back(Block* block) {
    auto* shelf = static_cast<Shelf*>(block->owner);
    std::unique_lock lock(shelf->mutex);
    --shelf->live_blocks;
    shelf->live_bytes -= block->capacity;
    if (shelf->abandoned) {
      destroy(block);
      const bool last = shelf->live_blocks == 0;
      lock.unlock();
      if (last) delete shelf;
      return;
    }
    std::vector<Block*>& blocks = shelf->free_blocks[block->capacity];
    if (blocks.size() >= limits::kPoolFreeBlocks) {
      destroy(block);
      return;
    }
    shelf->cached_bytes += block->capacity;
    blocks.push_back(block);
  }
};

Pool::Pool() : shelf_(new Shelf) {}

Pool::~Pool() {
  std::unique_lock lock(shelf_->mutex);
  shelf_->clear();
  shelf_->abandoned = true;
  const bool last = shelf_->live_blocks == 0;
  lock.unlock();
  if (last) delete shelf_;
}

Buffer Pool::acquire(size_t bytes) {
  const size_t capacity = capacity_for(bytes);
  Block* block = nullptr;
  {
    std::scoped_lock lock(shelf_->mutex);
    if (const auto found = shelf_->free_blocks.find(capacity);
        found != shelf_->free_blocks.end() && !found->second.empty()) {
      block = found->second.back();
      found->second.pop_back();
      shelf_->cached_bytes -= capacity;
    }
    ++shelf_->live_blocks;
    shelf_->live_bytes += capacity;
    shelf_->peak_bytes = std::max(shelf_->peak_bytes, shelf_->live_bytes + shelf_->cached_bytes);
  }
  if (block == nullptr) {
    block = new Block;
    block->data = allocate(capacity);
    block->capacity = capacity;
    block->release = &Shelf::take_back;
    block->owner = shelf_;
  }
  block->references.store(1, std::memory_order_relaxed);
  block->size = bytes;
  return Buffer(block);
}

size_t Pool::live_bytes() const {
  std::scoped_lock lock(shelf_->mutex);
  return shelf_->live_bytes;
}

size_t Pool::cached_bytes() const {
  std::scoped_lock lock(shelf_->mutex);
  return shelf_->cached_bytes;
}

size_t Pool::peak_bytes() const {
  std::scoped_lock lock(shelf_->mutex);
  return shelf_->peak_bytes;
}

SharedBuffer copy_of(std::span<const float> values, Pool& pool) {
  Buffer buffer = pool.acquire_floats(values.size());
  if (!values.empty()) std::memcpy(buffer.data(), values.data(), values.size_bytes());
  return std::move(buffer).freeze();
}

Buffer writable(SharedBuffer&& shared, Pool& pool) {
  Block* block = shared.release();
  KITH_ASSERT(block != nullptr);
  if (block->references.load(std::memory_order_acquire) == 1) return Buffer(block);
  const SharedBuffer original(block);
  Buffer copy = pool.acquire(original.size());
  if (original.size() > 0) std::memcpy(copy.data(), original.data(), original.size());
  return copy;
}

SharedBuffer adopt(std::byte* data, size_t size, void (*free)(void* owner), void* owner) {
  auto* adopted = new Adopted;
  adopted->free = free;
  adopted->block.data = data;
  adopted->block.size = size;
  adopted->block.capacity = size;
  adopted->block.release = &release_adopted;
  adopted->block.owner = owner;
  return SharedBuffer(&adopted->block);
}

Payload Payload::from_chunks(std::vector<SharedBuffer> chunks) {
  KITH_ASSERT(!chunks.empty());
  Payload payload;
  for (const SharedBuffer& chunk : chunks) payload.size_ += chunk.size();
  payload.first_ = std::move(chunks.front());
  if (chunks.size() > 1) {
    chunks.erase(chunks.begin());
    payload.rest_ = std::make_shared<const std::vector<SharedBuffer>>(std::move(chunks));
  }
  return payload;
}

SharedBuffer Payload::contiguous(Pool& pool) const {
  if (chunks() <= 1) return first_;
  Buffer whole = pool.acquire(size_);
  size_t offset = 0;
  for (size_t i = 0; i < chunks(); ++i) {
    std::memcpy(whole.data() + offset, chunk(i).data(), chunk(i).size());
    offset += chunk(i).size();
  }
  return std::move(whole).freeze();
}

SharedBuffer floats_of(const Payload& payload, Pool& pool) {
  KITH_ASSERT(payload.size() % sizeof(float) == 0);
  SharedBuffer whole = payload.contiguous(pool);
  if (reinterpret_cast<uintptr_t>(whole.data()) % alignof(float) == 0) return whole;
  Buffer aligned = pool.acquire(whole.size());
  std::memcpy(aligned.data(), whole.data(), whole.size());
  return std::move(aligned).freeze();
}

}  // namespace kith
