#include "protocol/weighted_sum.h"

#include <algorithm>
#include <array>
#include <vector>

#include "protocol/codec_meter.h"
#include "protocol/kernels.h"
#include "protocol/limits.h"
#include "topology/assert.h"

namespace kith {

namespace {

// Values summed at a time: 16 kB of y, which stay in the first cache. A power of two, so that a
// block never straddles two chunks of a payload that came over the wire.
constexpr size_t kBlock = 4096;
static_assert(limits::kChunkBytes % (kBlock * sizeof(float)) == 0);

// True when bytes [i * block, (i + 1) * block) of the payload always lie in one chunk.
bool divides(const Payload& payload, size_t block_bytes) {
  for (size_t i = 0; i + 1 < payload.chunks(); ++i) {
    if (payload.chunk(i).size() % block_bytes != 0) return false;
  }
  return true;
}

bool by_blocks(const Codec& codec, std::span<const Term> terms) {
  return std::ranges::all_of(terms, [&](const Term& term) {
    return !term.values.empty() || (codec.bytes_per_value() > 0 &&
                                    divides(*term.payload, kBlock * codec.bytes_per_value()));
  });
}

std::span<const std::byte> bytes_at(const Payload& payload, size_t offset, size_t size) {
  size_t chunk = 0;
  while (offset >= payload.chunk(chunk).size()) offset -= payload.chunk(chunk++).size();
  return payload.chunk(chunk).bytes().subspan(offset, size);
}

void begin(const Term& term, size_t first, std::span<float> y) {
  if (term.values.empty()) {
    std::ranges::fill(y, 0.0f);
  } else {
    kernels::scale(term.scale, term.values.subspan(first, y.size()), y);
  }
}

// Added in one pass over y, which costs half of as many passes.
constexpr size_t kTogether = 16;

// So many of `terms`, at their front, are of one kind.
size_t alike(std::span<const Term> terms) {
  const auto other = std::ranges::find_if(
      terms, [&](const Term& term) { return term.values.empty() != terms.front().values.empty(); });
  return std::min(kTogether, static_cast<size_t>(other - terms.begin()));
}

void add_values(std::span<const Term> terms, size_t first, std::span<float> y) {
  std::array<kernels::Scaled, kTogether> scaled;
  for (size_t i = 0; i < terms.size(); ++i) {
    scaled[i] = {std::as_bytes(terms[i].values.subspan(first, y.size())), terms[i].scale};
  }
  kernels::axpy_all(std::span(scaled).first(terms.size()), y);
}

void add_payloads(const Codec& codec, std::span<const Term> terms, size_t first,
                  std::span<float> y) {
  const size_t width = codec.bytes_per_value();
  std::array<Codec::Coded, kTogether> coded;
  for (size_t i = 0; i < terms.size(); ++i) {
    coded[i] = {bytes_at(*terms[i].payload, first * width, y.size() * width), terms[i].scale};
  }
  const Status status = codec.decode_add_all(std::span(coded).first(terms.size()), y);
  KITH_ASSERT(status.ok());
}

void sum_block(const Codec& codec, std::span<const Term> terms, size_t first, std::span<float> y) {
  begin(terms.front(), first, y);
  if (!terms.front().values.empty()) terms = terms.subspan(1);
  while (!terms.empty()) {
    const std::span<const Term> next = terms.first(alike(terms));
    if (next.front().values.empty()) {
      add_payloads(codec, next, first, y);
    } else {
      add_values(next, first, y);
    }
    terms = terms.subspan(next.size());
  }
}

void add_block_of_differences(const Codec& codec, std::span<const float> own,
                              std::span<const Term> terms, size_t first, std::span<float> y) {
  const size_t width = codec.bytes_per_value();
  alignas(64) std::array<float, kBlock> scratch;
  const std::span<float> difference = std::span(scratch).first(y.size());
  for (const Term& term : terms) {
    kernels::scale(-1.0f, own, difference);
    const Status status = codec.decode_add(bytes_at(*term.payload, first * width, y.size() * width),
                                           1.0f, difference);
    KITH_ASSERT(status.ok());
    kernels::axpy(term.scale, difference, y);
  }
}

// Each payload has had its share of one pass over the result.
void tell(CodecMeter& meter, std::span<const Term> terms, size_t values) {
  meter.end();
  const auto coded = [](const Term& term) { return term.values.empty(); };
  const double share = 1 / static_cast<double>(std::ranges::count_if(terms, coded));
  for (const Term& term : terms) {
    if (coded(term)) meter.decoded(term.from, values, share);
  }
}

void add_jointly(const Codec& codec, std::span<const Term> terms, std::span<float> y, Pool& pool) {
  std::vector<SharedBuffer> whole;
  std::vector<Codec::Coded> wires;
  for (const Term& term : terms) {
    if (!term.values.empty()) continue;
    whole.push_back(term.payload->contiguous(pool));
    wires.push_back({whole.back().bytes(), term.scale});
  }
  if (wires.empty()) return;
  if (codec.meter()) codec.meter()->begin();
  const Status status = codec.decode_add_all(wires, y);
  KITH_ASSERT(status.ok());
  if (codec.meter()) tell(*codec.meter(), terms, y.size());
}

}  // namespace

void weighted_sum(const Codec& codec, std::span<const Term> terms, std::span<float> y, Pool& pool) {
  KITH_ASSERT(!terms.empty());
  if (y.empty()) return;
  if (by_blocks(codec, terms)) {
    if (codec.meter()) codec.meter()->begin();
    for (size_t first = 0; first < y.size(); first += kBlock) {
      sum_block(codec, terms, first, y.subspan(first, std::min(kBlock, y.size() - first)));
    }
    if (codec.meter()) tell(*codec.meter(), terms, y.size());
    return;
  }
  begin(terms.front(), 0, y);
  for (const Term& term : terms) {
    if (!term.values.empty()) {
      if (&term != &terms.front()) kernels::axpy(term.scale, term.values, y);
      continue;
    }
    if (codec.decodes_jointly()) continue;
    const Status status = decode_add(codec, term.from, *term.payload, term.scale, y, pool);
    KITH_ASSERT(status.ok());
  }
  if (codec.decodes_jointly()) add_jointly(codec, terms, y, pool);
}

void add_differences(const Codec& codec, std::span<const float> own, std::span<const Term> terms,
                     std::span<float> y, Pool& pool) {
  if (y.empty() || terms.empty()) return;
  if (by_blocks(codec, terms)) {
    if (codec.meter()) codec.meter()->begin();
    for (size_t first = 0; first < y.size(); first += kBlock) {
      const size_t count = std::min(kBlock, y.size() - first);
      add_block_of_differences(codec, own.subspan(first, count), terms, first,
                               y.subspan(first, count));
    }
    if (codec.meter()) tell(*codec.meter(), terms, y.size());
    return;
  }
  Buffer block = pool.acquire_floats(y.size());
  for (const Term& term : terms) {
    kernels::scale(-1.0f, own, block.floats());
    const Status status = decode_add(codec, term.from, *term.payload, 1.0f, block.floats(), pool);
    KITH_ASSERT(status.ok());
    kernels::axpy(term.scale, block.floats(), y);
  }
}

}  // namespace kith
