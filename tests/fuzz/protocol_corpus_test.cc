// The inputs of tests/fuzz/corpus, which fuzzers have found to reach everything that they could,
// once more through what the fuzzers run: without clang, and under every preset.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "tests/fuzz/codec_input.h"
#include "tests/fuzz/wire_input.h"

namespace kith {

#define CODEC(symbol) extern const CodecInfo symbol##_codec;
#include "protocol/codecs.def"
#undef CODEC

namespace {

namespace fs = std::filesystem;

const fs::path kCorpus = fs::path(KITH_SOURCE_DIR) / "tests/fuzz/corpus";
using Target = std::function<void(std::span<const uint8_t>)>;

Target of_codec(const std::string& spec) {
  return [codec = std::shared_ptr<Codec>(make_codec(spec))](std::span<const uint8_t> input) {
    fuzz::run_codec_input(*codec, input);
  };
}

// By the name of the executable, which is that of its folder in the corpus.
std::map<std::string, Target> all_targets() {
  std::map<std::string, Target> targets = {{"protocol_wire_fuzz", fuzz::run_wire_input}};
#define CODEC(symbol) targets["codec_" #symbol "_fuzz"] = of_codec(symbol##_codec.example);
#include "protocol/codecs.def"
#undef CODEC
#define CHAIN(symbol, spec) targets["codec_" #symbol "_fuzz"] = of_codec(spec);
#include "tests/fuzz/chains.def"
#undef CHAIN
  return targets;
}

std::vector<uint8_t> read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// A crash is the failure; what a target asserts of an input it asserts itself.
TEST(Corpus, EveryInputThroughItsTarget) {
  for (const auto& [name, run] : all_targets()) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(fs::is_directory(kCorpus / name)) << "tests/run --fuzz-keep makes it";
    size_t inputs = 0;
    for (const fs::directory_entry& entry : fs::directory_iterator(kCorpus / name)) {
      SCOPED_TRACE(entry.path().filename());
      const std::vector<uint8_t> input = read(entry.path());
      // On the heap and of the exact size, for the address sanitizer.
      const std::unique_ptr<uint8_t[]> exact(new uint8_t[input.size()]);
      std::ranges::copy(input, exact.get());
      run({exact.get(), input.size()});
      ++inputs;
    }
    EXPECT_GT(inputs, 0u);
  }
}

TEST(Corpus, HoldsNothingThatNoTargetReads) {
  const auto targets = all_targets();
  for (const fs::directory_entry& entry : fs::directory_iterator(kCorpus)) {
    EXPECT_TRUE(targets.contains(entry.path().filename())) << entry.path();
  }
}

}  // namespace
}  // namespace kith
