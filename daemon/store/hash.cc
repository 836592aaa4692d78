#include "daemon/store/hash.h"

#include <xxhash.h>

#include <bit>
#include <memory>

#include "topology/assert.h"

namespace kith {

static_assert(std::endian::native == std::endian::little, "hashes and files are little-endian");

std::string hash_parameters(std::span<const std::span<const float>> vectors) {
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                              XXH3_freeState);
  KITH_ASSERT(state && XXH3_128bits_reset(state.get()) == XXH_OK);
  for (const std::span<const float> vector : vectors) {
    XXH3_128bits_update(state.get(), vector.data(), vector.size_bytes());
  }
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state.get()));
  std::string text;
  for (const unsigned char byte : canonical.digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace kith
