// Built once for each line of codecs.def, with KITH_FUZZ_CODEC naming its CodecInfo, and for each
// of chains.def, with KITH_FUZZ_CHAIN as in a job file; see codec_input.h.
#include "tests/fuzz/codec_input.h"

#ifdef KITH_FUZZ_CODEC
namespace kith {
extern const CodecInfo KITH_FUZZ_CODEC;
}
const char* const kSpec = kith::KITH_FUZZ_CODEC.example;
#else
const char* const kSpec = KITH_FUZZ_CHAIN;
#endif

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::unique_ptr<kith::Codec> codec = kith::make_codec(kSpec);
  kith::fuzz::run_codec_input(*codec, {data, size});
  return 0;
}
