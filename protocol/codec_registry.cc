#include <algorithm>
#include <vector>

#include "protocol/codec_meter.h"

namespace kith {

#define CODEC(symbol) extern const CodecInfo symbol##_codec;
#include "protocol/codecs.def"
#undef CODEC

std::span<const CodecInfo* const> all_codecs() {
#define CODEC(symbol) &symbol##_codec,
  static constexpr const CodecInfo* kCodecs[] = {
#include "protocol/codecs.def"
  };
#undef CODEC
  return kCodecs;
}

namespace {

std::string known_codecs() {
  std::string text;
  for (const CodecInfo* info : all_codecs()) {
    if (!text.empty()) text += ", ";
    text += info->example;
  }
  return text;
}

// A codec with its argument: what stands between the bars of a chain.
struct Stage {
  const CodecInfo* info;
  std::string argument;
};

// `whole` is what the operator wrote, for the messages.
Stage stage_of(const std::string& text, const std::string& whole) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  const bool has_argument = colon != std::string::npos;
  for (const CodecInfo* info : all_codecs()) {
    if (name != info->name) continue;
    if (has_argument && info->argument[0] == '\0') {
      throw OperatorError("codec \"" + whole + "\": " + name + " takes no argument; write \"" +
                          name + "\"");
    }
    return {info, has_argument ? text.substr(colon + 1) : ""};
  }
  const std::string part = text == whole ? "" : ": \"" + text + "\"";
  throw OperatorError("codec \"" + whole + "\"" + part +
                      " is not known; known are, for example: " + known_codecs());
}

// Blanks may stand around a bar, nowhere else.
std::vector<Stage> stages_of(const std::string& spec) {
  std::vector<Stage> stages;
  size_t first = 0;
  for (size_t bar = spec.find('|'); bar != spec.npos; bar = spec.find('|', first)) {
    std::string text = spec.substr(first, bar - first);
    text.erase(text.find_last_not_of(' ') + 1);
    stages.push_back(stage_of(text, spec));
    first = std::min(spec.find_first_not_of(' ', bar + 1), spec.size());
  }
  stages.push_back(stage_of(spec.substr(first), spec));
  return stages;
}

std::string sparsifiers() {
  std::string text;
  for (const CodecInfo* info : all_codecs()) {
    if (info->over == nullptr) continue;
    text += (text.empty() ? "" : ", ") + std::string(info->name);
  }
  return text;
}

[[noreturn]] void refuse(const std::string& spec, const std::string& why) {
  throw OperatorError("codec \"" + spec + "\": " + why + "; a chain is one of " + sparsifiers() +
                      ", then one that sends every value, then zstd, as in "
                      "\"top-k:0.01 | qsgd:15 | zstd\"; each may be absent");
}

// What codes every value that it is given; identity where there is none.
std::unique_ptr<Codec> make_values(std::span<const Stage> stages, const std::string& spec) {
  if (stages.empty()) return make_codec("identity");
  const Stage& first = stages.front();
  if (first.info->make == nullptr) {
    refuse(spec, std::string(first.info->name) + " stands where it cannot");
  }
  if (stages.size() > 1) {
    refuse(spec, std::string(stages[1].info->name) + " cannot come after " + first.info->name);
  }
  return first.info->make(first.argument);
}

std::unique_ptr<Codec> make_chain(std::span<const Stage> stages, const std::string& spec,
                                  const Layout& layout) {
  if (stages.empty()) return make_codec("identity");
  const Stage& last = stages.back();
  if (last.info->around != nullptr) {
    return last.info->around(last.argument,
                             make_chain(stages.first(stages.size() - 1), spec, layout));
  }
  const Stage& first = stages.front();
  if (first.info->shaped != nullptr && stages.size() == 1) {
    return first.info->shaped(first.argument, layout);
  }
  if (first.info->over != nullptr) {
    return first.info->over(first.argument, make_values(stages.subspan(1), spec));
  }
  return make_values(stages, spec);
}

}  // namespace

std::unique_ptr<Codec> make_codec(const std::string& spec, const Layout& layout) {
  return make_chain(stages_of(spec), spec, layout);
}

namespace {

Status decode_chunks(const Codec& codec, const Payload& payload, float scale, std::span<float> y,
                     Pool& pool) {
  if (payload.chunks() == 1) return codec.decode_add(payload.chunk(0).bytes(), scale, y);
  const size_t width = codec.bytes_per_value();
  if (width == 0) return codec.decode_add(payload.contiguous(pool).bytes(), scale, y);
  if (Status status = check(codec, payload, y.size(), pool); !status.ok()) return status;
  size_t first = 0;
  for (size_t i = 0; i < payload.chunks(); ++i) {
    const std::span<const std::byte> chunk = payload.chunk(i).bytes();
    const size_t count = chunk.size() / width;
    if (Status status = codec.decode_add(chunk, scale, y.subspan(first, count)); !status.ok()) {
      return status;
    }
    first += count;
  }
  return {};
}

}  // namespace

Status Codec::decode_add_all(std::span<const Coded> wires, std::span<float> y) const {
  for (const Coded& each : wires) {
    if (const Status status = decode_add(each.bytes, each.scale, y); !status.ok()) return status;
  }
  return {};
}

Status decode_add(const Codec& codec, NodeId from, const Payload& payload, float scale,
                  std::span<float> y, Pool& pool) {
  CodecMeter* meter = codec.meter();
  if (meter) meter->begin();
  const Status status = decode_chunks(codec, payload, scale, y, pool);
  if (meter) {
    meter->end();
    meter->decoded(from, y.size(), 1);
  }
  return status;
}

// Codecs that work value by value look at the size alone (codec.h): the bytes, which may be cold,
// are not touched.
Status check(const Codec& codec, const Payload& payload, size_t count, Pool& pool) {
  const size_t width = codec.bytes_per_value();
  if (width == 0) return codec.check(payload.contiguous(pool).bytes(), count);
  if (payload.size() < count * width) return Reason::kTruncated;
  if (payload.size() > count * width) return Reason::kOversized;
  for (size_t i = 0; i + 1 < payload.chunks(); ++i) {
    if (payload.chunk(i).size() % width != 0) return Reason::kMalformed;  // a value straddles
  }
  return {};
}

}  // namespace kith
