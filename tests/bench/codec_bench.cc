// Speed of every codec against memcpy of the same floats in the same run. The runs of one size are
// interleaved and their medians compared, since a machine's speed drifts.
//
//   codec_bench [--only TEXT] [--json] [values]...     default 100000 25000000
//
// KITH_INSTRUCTION_SET=AVX2 and the like force one (tests/forced_instruction_set.h).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "protocol/codec.h"
#include "protocol/compressor.h"
#include "protocol/hadamard.h"
#include "protocol/kernels.h"
#include "tests/forced_instruction_set.h"

namespace {

using kith::Buffer;
using kith::Codec;
using kith::NodeId;
using kith::Pool;
using kith::Purpose;
using kith::Rng;
using kith::SharedBuffer;

struct Timed {
  std::string name;
  std::function<void()> run;
  std::vector<double> seconds = {};
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

double time_once(const std::function<void()>& run, size_t repeats) {
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < repeats; ++i) run();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return taken.count() / static_cast<double>(repeats);
}

// All whole blocks, once.
void rotate(std::span<const float> x, std::span<float> y) {
  constexpr size_t kBlock = kith::hadamard::kLargest;
  for (size_t first = 0; first + kBlock <= x.size(); first += kBlock) {
    kith::hadamard::rotate({.seed = 1, .first = first, .rounds = 1}, x.subspan(first, kBlock),
                           0.015625f, y.subspan(first, kBlock));
  }
}

struct Wanted {
  std::string only;  // names that have this in them, and memcpy
  bool json = false;
};

void print_json(const std::vector<Timed>& timed, size_t count) {
  const double reference = median(timed.front().seconds);
  std::printf("{\"values\": %zu, \"instruction_set\": \"%s\", \"memcpy_seconds\": %.9g", count,
              hwy::TargetName(hwy::SupportedTargets() & -hwy::SupportedTargets()), reference);
  std::printf(", \"times_memcpy\": {");
  for (size_t i = 0; i < timed.size(); ++i) {
    std::printf("%s\"%s\": %.4g", i == 0 ? "" : ", ", timed[i].name.c_str(),
                reference / median(timed[i].seconds));
  }
  std::printf("}}\n");
}

void print(const std::vector<Timed>& timed, size_t count) {
  const double bytes = static_cast<double>(count) * sizeof(float);
  const double reference = median(timed.front().seconds);
  std::printf("\n%zu floats\n%-28s %10s %10s %10s\n", count, "", "us", "GB/s", "x memcpy");
  for (const Timed& t : timed) {
    const double taken = median(t.seconds);
    std::printf("%-28s %10.1f %10.1f %10.2f\n", t.name.c_str(), taken * 1e6, bytes / taken * 1e-9,
                reference / taken);
  }
}

void measure(std::vector<Timed>& timed, size_t count) {
  const size_t repeats = std::max<size_t>(1, 2'000'000 / count);
  for (int round = 0; round < 15; ++round) {
    for (Timed& t : timed) t.seconds.push_back(time_once(t.run, repeats));
  }
}

// Its example, and what else is worth knowing. The values are N(0, 1).
std::vector<std::string> specs_of(const kith::CodecInfo& info) {
  const std::string name = info.name;
  std::vector<std::string> specs = {info.example};
  if (name == "qsgd") specs.emplace_back("qsgd:127:4096");
  if (name == "eden") specs.emplace_back("eden:4");
  if (name == "drive") specs.emplace_back("drive:unbiased");
  if (name == "threshold") specs = {"threshold:2.576"};  // 1 % of them
  if (info.over != nullptr) specs.push_back(specs.front() + " | qsgd:15");
  return specs;
}

void bench(size_t count, const Wanted& wanted) {
  Pool pool;
  Rng rng(1, NodeId{0}, Purpose::kTest);
  std::vector<float> values(count);
  rng.fill_normal(values);
  const SharedBuffer x = kith::copy_of(values, pool);
  std::vector<float> y(count);
  std::vector<Timed> timed;
  timed.push_back({"memcpy", [&] {
                     std::memcpy(y.data(), x.data(), x.size());
                     benchmark::ClobberMemory();
                   }});
  timed.push_back({"axpy", [&] { kith::kernels::axpy(0.5f, x.floats(), y); }});
  timed.push_back(
      {"squared norm", [&] { benchmark::DoNotOptimize(kith::kernels::squared_norm(x.floats())); }});
  std::vector<float> rotated(values);
  timed.push_back({"rotation", [&] { rotate(x.floats(), rotated); }});
  std::vector<std::unique_ptr<Codec>> codecs;
  std::vector<std::unique_ptr<kith::Compressor>> streams;
  for (const kith::CodecInfo* info : kith::all_codecs()) {
    for (const std::string& spec : specs_of(*info)) {
      if (spec.find(wanted.only) != spec.npos) codecs.push_back(kith::make_codec(spec));
    }
  }
  for (const auto& codec : codecs) {
    const std::string name = codec->describe();
    SharedBuffer wire;
    if (!codec->encode(x, rng, pool, wire).ok()) std::abort();
    const auto encode = [&, c = codec.get()] {
      SharedBuffer out;
      if (!c->encode(x, rng, pool, out).ok()) std::abort();
    };
    const auto decode = [&, c = codec.get(), wire] {
      if (!c->decode_add(wire.bytes(), 0.5f, y).ok()) std::abort();
    };
    timed.push_back({name + " encode", encode});
    timed.push_back({name + " decode_add", decode});
    if (codec->lossless()) continue;
    streams.push_back(std::make_unique<kith::Compressor>(*codec, kith::kErrorFeedback));
    timed.push_back({name + " with memory", [&, s = streams.back().get()] {
                       SharedBuffer out;
                       if (!s->encode(x, 1.0f, rng, pool, out).ok()) std::abort();
                     }});
  }
  measure(timed, count);
  wanted.json ? print_json(timed, count) : print(timed, count);
}

}  // namespace

int main(int argc, char** argv) {
  kith::test::force_instruction_set();
  std::vector<size_t> counts;
  Wanted wanted;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--json") {
      wanted.json = true;
    } else if (word == "--only" && i + 1 < argc) {
      wanted.only = argv[++i];
    } else {
      counts.push_back(std::strtoull(argv[i], nullptr, 10));
    }
  }
  if (counts.empty()) counts = {100'000, 25'000'000};
  for (const size_t count : counts) {
    if (count == 0) {
      std::fprintf(stderr, "codec_bench: wants numbers of floats, as in: codec_bench 100000\n");
      return 2;
    }
    bench(count, wanted);
  }
}
