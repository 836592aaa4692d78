#include "protocol/codec.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "client/command/command.h"
#include "client/view/units.h"
#include "daemon/store/safetensors.h"
#include "protocol/kernels.h"
#include "protocol/limits.h"
#include "topology/error.h"

namespace kith {

namespace {

using std::chrono::steady_clock;

struct CodecOptions {
  std::string spec;
  size_t size = 1'000'000;
  std::string shape;  // "784x128,128"; empty = not known
  std::string data;
  uint64_t seed = 1;
  bool list = false;
  bool json = false;
};

struct CodecFigures {
  std::string codec;
  size_t values = 0;
  size_t bytes = 0;
  double encode_seconds = 0;
  double decode_seconds = 0;
  double copy_seconds = 0;    // memcpy of the same floats, in turn with the others
  double error = 0;           // mean of |decode(encode(x)) - x|^2 / |x|^2 over the encodings
  double standard_error = 0;  // of it
  std::optional<double> expected_error = {};  // of the same, by the codec's law for these values
  double variance_bound = 0;                  // w
  bool lossless = false;
};

constexpr int kRepeats = 9;

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + values.size() / 2);
  return values[values.size() / 2];
}

template <class Work>
double seconds_of(const Work& work) {
  const auto begun = steady_clock::now();
  work();
  return std::chrono::duration<double>(steady_clock::now() - begun).count();
}

[[noreturn]] void refuse_shape(const std::string& shape, const std::string& part) {
  throw OperatorError("--shape is \"" + shape + "\", but \"" + part +
                      "\" is not the sides of a tensor: write them as in \"784x128,128\", with at "
                      "most " +
                      std::to_string(limits::kParameters) + " values together");
}

// "784x128" of `whole`, which may hold `room` values more.
std::vector<size_t> read_sides(const std::string& text, const std::string& whole, size_t room) {
  std::vector<size_t> sides;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (size_t count = 1; sides.empty() || at != end;) {
    if (!sides.empty() && *at++ != 'x') refuse_shape(whole, text);
    size_t side = 0;
    const auto [rest, error] = std::from_chars(at, end, side);
    if (error != std::errc() || side == 0 || side > room / count) refuse_shape(whole, text);
    at = rest;
    count *= side;
    sides.push_back(side);
  }
  return sides;
}

Layout read_layout(const std::string& shape) {
  Layout layout;
  for (size_t first = 0; first <= shape.size();) {
    const size_t comma = std::min(shape.find(',', first), shape.size());
    const size_t room = limits::kParameters - values_of(layout);
    const std::string name = std::to_string(layout.size());
    layout.push_back({name, read_sides(shape.substr(first, comma - first), shape, room)});
    first = comma + 1;
  }
  return layout;
}

// What is encoded, and the tensors in it: empty where nobody knows.
struct Sample {
  std::vector<float> values;
  Layout layout;
};

// Normal values, or all tensors of a safetensors file one after the other.
Sample sample_of(const CodecOptions& options) {
  if (!options.data.empty()) {
    StoredTensors stored = read_safetensors(options.data);
    return {std::move(stored.values), std::move(stored.tensors)};
  }
  Sample sample;
  if (!options.shape.empty()) sample.layout = read_layout(options.shape);
  sample.values.resize(options.shape.empty() ? options.size : values_of(sample.layout));
  Rng rng(options.seed, NodeId{0}, Purpose::kTest);
  rng.fill_normal(sample.values);
  return sample;
}

double relative_error(std::span<const float> x, std::span<const float> y) {
  double error = 0;
  double norm = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double off = static_cast<double>(y[i]) - static_cast<double>(x[i]);
    error += off * off;
    norm += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  return norm > 0 ? error / norm : 0;
}

// Of one encoding, from several: the mean, and the standard error of it.
void summarise(const std::vector<double>& errors, CodecFigures& figures) {
  const auto count = static_cast<double>(errors.size());
  for (const double error : errors) figures.error += error / count;
  double squares = 0;
  for (const double error : errors) squares += std::pow(error - figures.error, 2);
  figures.standard_error = std::sqrt(squares / (count - 1) / count);
}

std::optional<double> expected_error(const Codec& codec, std::span<const float> x) {
  const double norm = kernels::squared_norm(x);
  const std::optional<double> error = codec.expected_error(x);
  return error && norm > 0 ? *error / norm : error;
}

CodecFigures measure(const CodecOptions& options) {
  const Sample sample = sample_of(options);
  const std::unique_ptr<Codec> codec = make_codec(options.spec, sample.layout);
  Pool pool;
  const SharedBuffer x = copy_of(sample.values, pool);
  const std::span<const float> values = x.floats();
  CodecFigures figures{
      .codec = codec->describe(),
      .values = values.size(),
      .variance_bound = codec->unbiased() ? codec->variance_bound(values.size()) : 0,
      .lossless = codec->lossless()};
  std::vector<float> y(values.size());
  std::vector<double> encode, decode, copy, errors;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    Rng rng(options.seed, NodeId{1}, Purpose::kCodec, static_cast<uint64_t>(repeat));
    SharedBuffer wire;
    Status status;
    encode.push_back(seconds_of([&] { status = codec->encode(x, rng, pool, wire); }));
    if (!status.ok()) {
      throw OperatorError("the values hold NaN, infinity, or what " + figures.codec +
                          " cannot hold: they cannot be encoded");
    }
    std::ranges::fill(y, 0.0f);
    decode.push_back(seconds_of([&] { status = codec->decode_add(wire.bytes(), 1.0f, y); }));
    figures.bytes = wire.size();
    errors.push_back(relative_error(values, y));
    copy.push_back(seconds_of([&] { std::memcpy(y.data(), values.data(), x.size()); }));
  }
  summarise(errors, figures);
  figures.expected_error = expected_error(*codec, values);
  figures.encode_seconds = median(encode);
  figures.decode_seconds = median(decode);
  figures.copy_seconds = median(copy);
  return figures;
}

double gigabytes_per_second(const CodecFigures& figures, double seconds) {
  return seconds > 0 ? 4e-9 * static_cast<double>(figures.values) / seconds : 0;
}

double bits_per_value(const CodecFigures& f) {
  return f.values > 0 ? 8.0 * static_cast<double>(f.bytes) / static_cast<double>(f.values) : 0;
}

double ratio(const CodecFigures& f) {
  return f.bytes > 0 ? 4.0 * static_cast<double>(f.values) / static_cast<double>(f.bytes) : 0;
}

void print_json(const CodecFigures& f) {
  nlohmann::ordered_json json = {
      {"codec", f.codec},
      {"values", f.values},
      {"bytes", f.bytes},
      {"bits_per_value", bits_per_value(f)},
      {"ratio", ratio(f)},
      {"relative_error", f.error},
      {"relative_error_standard_error", f.standard_error},
      {"encodings", kRepeats},
      {"lossless", f.lossless},
      {"encode_gigabytes_per_second", gigabytes_per_second(f, f.encode_seconds)},
      {"decode_gigabytes_per_second", gigabytes_per_second(f, f.decode_seconds)},
      {"memcpy_gigabytes_per_second", gigabytes_per_second(f, f.copy_seconds)}};
  if (f.expected_error) json["expected_relative_error"] = *f.expected_error;
  if (f.variance_bound > 0) json["variance_bound"] = f.variance_bound;
  std::printf("%s\n", json.dump(2).c_str());
}

void print_text(const CodecFigures& f) {
  const auto speed = [&](const char* what, double seconds) {
    fmt::print("  {:<8} {:.2f} GB/s of floats, {:.2f} x memcpy, one thread\n", what,
               gigabytes_per_second(f, seconds), seconds > 0 ? f.copy_seconds / seconds : 0);
  };
  fmt::print("{}: {} values in {} bytes\n", f.codec, count_text(f.values), count_text(f.bytes));
  fmt::print("  size     {:.4g} bits a value, {:.4g} times smaller than floats\n",
             bits_per_value(f), ratio(f));
  speed("encode", f.encode_seconds);
  speed("decode", f.decode_seconds);
  fmt::print("  error    {:.4g} of |x|^2, mean of {} encodings, standard error {:.2g}", f.error,
             kRepeats, f.standard_error);
  if (f.lossless) {
    fmt::print("; loses nothing\n");
  } else if (f.variance_bound > 0) {
    fmt::print("; unbiased, at most {:.4g} for any vector\n", f.variance_bound);
  } else {
    fmt::print("; biased, never more than 1: use it with codec.memory\n");
  }
  if (f.expected_error && !f.lossless) {
    fmt::print("  expected {:.4g} of |x|^2, by the codec's law for these values\n",
               *f.expected_error);
  }
}

void print_list(bool json) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const CodecInfo* info : all_codecs()) {
    if (json) {
      all.push_back({{"name", info->name},
                     {"argument", info->argument},
                     {"example", info->example},
                     {"help", info->help}});
    } else {
      fmt::print("{:<24} {}\n", info->example, info->help);
    }
  }
  if (json) std::printf("%s\n", all.dump(2).c_str());
}

int codec_command(const CodecOptions& options) {
  if (options.list) {
    print_list(options.json);
    return kDone;
  }
  if (options.spec.empty()) throw OperatorError("kith codec needs a codec, or --list");
  const CodecFigures figures = measure(options);
  options.json ? print_json(figures) : print_text(figures);
  return kDone;
}

}  // namespace

void add_codec_command(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<CodecOptions>();
  CLI::App* command = program.add_subcommand(
      "codec", "what a codec makes of a vector: bytes, error, speed beside memcpy");
  command->add_option("CODEC", options->spec, "as in codec.kind of a job file");
  command->add_option("--size", options->size, "normal values to encode (1000000)")
      ->check(CLI::Range(size_t{1}, limits::kParameters).description(""));
  CLI::Option* shape = command->add_option(
      "--shape", options->shape,
      "tensors of these sides instead, for codecs that look at them: 784x128,128,128x10,10");
  shape->excludes("--size");
  command->add_option("--data", options->data, "encode these instead: a safetensors file")
      ->excludes(shape);
  command->add_option("--seed", options->seed, "of the values and of the codec's randomness (1)");
  command->add_flag("--list", options->list, "name all codecs");
  command->add_flag("--json", options->json, "print one JSON value");
  command->footer(
      "Examples: kith codec --list\n"
      "          kith codec qsgd:15 --size 25000000\n"
      "          kith codec powersgd:2 --shape 784x128,128,128x10,10\n"
      "          kith codec top-k:0.01 --data runs/ring-8nodes-1/model.safetensors --json");
  command->callback([options, &chosen] { chosen = [options] { return codec_command(*options); }; });
}

}  // namespace kith
