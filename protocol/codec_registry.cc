#include "protocol/codec.h"

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

}  // namespace

std::unique_ptr<Codec> make_codec(const std::string& spec) {
  const size_t colon = spec.find(':');
  const std::string name = spec.substr(0, colon);
  const bool has_argument = colon != std::string::npos;
  for (const CodecInfo* info : all_codecs()) {
    if (name != info->name) continue;
    if (has_argument && info->argument[0] == '\0') {
      throw OperatorError("codec \"" + spec + "\": " + name + " takes no argument; write \"" +
                          name + "\"");
    }
    return info->make(has_argument ? spec.substr(colon + 1) : "");
  }
  throw OperatorError("codec \"" + spec +
                      "\" is not known; known are, for example: " + known_codecs());
}

Status decode_add(const Codec& codec, const Payload& payload, float scale, std::span<float> y,
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
