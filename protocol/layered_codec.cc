#include "protocol/layered_codec.h"

#include <algorithm>
#include <cstring>

#include "topology/assert.h"
#include "topology/error.h"

namespace kith {

namespace {

constexpr size_t kLengthBytes = sizeof(uint32_t);

struct Layer {
  size_t first = 0;  // index of its first value
  size_t values = 0;
  std::unique_ptr<Codec> codec;
};

// A part of `whole` as a block that ends before it does; costs nothing.
class Slice {
 public:
  Slice(const SharedBuffer& whole, size_t first, size_t values) {
    const std::span<const std::byte> bytes =
        whole.bytes().subspan(first * sizeof(float), values * sizeof(float));
    block_.data = const_cast<std::byte*>(bytes.data());
    block_.size = block_.capacity = bytes.size();
    block_.release = [](Block*) {};
    view_ = SharedBuffer(&block_);
  }
  ~Slice() {
    view_.reset();
    KITH_ASSERT(block_.references.load() == 0);  // nobody kept it
  }
  Slice(const Slice&) = delete;
  Slice& operator=(const Slice&) = delete;

  const SharedBuffer& view() const { return view_; }

 private:
  Block block_;
  SharedBuffer view_;
};

// The parts of a wire, one after the other.
class Parts {
 public:
  explicit Parts(std::span<const std::byte> wire) : left_(wire) {}

  Status next(std::span<const std::byte>& part) {
    if (left_.size() < kLengthBytes) return Reason::kTruncated;
    uint32_t bytes;
    std::memcpy(&bytes, left_.data(), sizeof bytes);
    left_ = left_.subspan(kLengthBytes);
    if (left_.size() < bytes) return Reason::kTruncated;
    part = left_.first(bytes);
    left_ = left_.subspan(bytes);
    return {};
  }
  Status end() const { return left_.empty() ? Status() : Reason::kOversized; }

 private:
  std::span<const std::byte> left_;
};

class LayeredCodec final : public Codec {
 public:
  LayeredCodec(std::vector<Layer> layers, std::unique_ptr<Codec> whole)
      : layers_(std::move(layers)), whole_(std::move(whole)) {
    for (const Layer& layer : layers_) values_ += layer.values;
  }

  Status encode(const SharedBuffer& x, Rng& rng, Pool& pool, SharedBuffer& wire) const override {
    return encode_after({}, x, rng, pool, wire);
  }

  Status encode_after(std::span<const std::byte> previous, const SharedBuffer& x, Rng& rng,
                      Pool& pool, SharedBuffer& wire) const override {
    if (!layered(x.floats().size())) return whole_->encode_after(previous, x, rng, pool, wire);
    wire.reset();
    if (!check(previous, values_).ok()) previous = {};
    Parts before(previous);
    // As large as floats; what is not used goes back.
    Buffer out = pool.acquire(most_bytes());
    size_t used = 0;
    for (const Layer& layer : layers_) {
      std::span<const std::byte> sent;
      if (!previous.empty() && !before.next(sent).ok()) sent = {};
      const Slice slice(x, layer.first, layer.values);
      SharedBuffer part;
      const Status status = layer.codec->encode_after(sent, slice.view(), rng, pool, part);
      if (!status.ok()) return status;
      append(part, pool, out, used);
    }
    wire = shrunk(std::move(out), used, pool);
    return {};
  }

  Status decode_add(std::span<const std::byte> wire, float scale,
                    std::span<float> y) const override {
    if (!layered(y.size())) return whole_->decode_add(wire, scale, y);
    Parts parts(wire);
    for (const Layer& layer : layers_) {
      std::span<const std::byte> part;
      if (const Status status = parts.next(part); !status.ok()) return status;
      const Status status =
          layer.codec->decode_add(part, scale, y.subspan(layer.first, layer.values));
      if (!status.ok()) return status;
    }
    return parts.end();
  }

  Status check(std::span<const std::byte> wire, size_t count) const override {
    if (!layered(count)) return whole_->check(wire, count);
    Parts parts(wire);
    for (const Layer& layer : layers_) {
      std::span<const std::byte> part;
      if (const Status status = parts.next(part); !status.ok()) return status;
      if (const Status status = layer.codec->check(part, layer.values); !status.ok()) return status;
    }
    return parts.end();
  }

  // The largest: with x / (1 + w) of a larger w the other layers are contractions as well, of that
  // w's delta at least.
  double variance_bound(size_t n) const override {
    if (!layered(n)) return whole_->variance_bound(n);
    double most = 0;
    for (const Layer& layer : layers_) {
      most = std::max(most, layer.codec->variance_bound(layer.values));
    }
    return most;
  }

  bool lossless() const override {
    return whole_->lossless() &&
           std::ranges::all_of(layers_, [](const Layer& layer) { return layer.codec->lossless(); });
  }
  bool unbiased() const override {
    return whole_->unbiased() &&
           std::ranges::all_of(layers_, [](const Layer& layer) { return layer.codec->unbiased(); });
  }
  bool warm_starts() const override {
    return whole_->warm_starts() || std::ranges::any_of(layers_, [](const Layer& layer) {
             return layer.codec->warm_starts();
           });
  }

  std::string describe() const override {
    std::string text = "layers of " + whole_->describe();
    for (const Layer& layer : layers_) {
      text += "; " + std::to_string(layer.values) + " as " + layer.codec->describe();
    }
    return text;
  }

 private:
  bool layered(size_t values) const { return values == values_; }

  size_t most_bytes() const { return layers_.size() * kLengthBytes + values_ * sizeof(float); }

  // A message that waits should not hold a block of many times its size.
  static SharedBuffer shrunk(Buffer out, size_t used, Pool& pool) {
    if (2 * used > out.size()) {
      out.resize(used);
      return std::move(out).freeze();
    }
    Buffer exact = pool.acquire(used);
    std::memcpy(exact.data(), out.data(), used);
    return std::move(exact).freeze();
  }

  static void append(const SharedBuffer& part, Pool& pool, Buffer& out, size_t& used) {
    const auto bytes = static_cast<uint32_t>(part.size());
    KITH_ASSERT(bytes == part.size());
    const size_t end = used + kLengthBytes + bytes;
    if (end > out.size()) {  // of a codec that needs more than floats, for few values
      Buffer larger = pool.acquire(2 * end);
      std::memcpy(larger.data(), out.data(), used);
      out = std::move(larger);
    }
    std::memcpy(out.data() + used, &bytes, sizeof bytes);
    if (bytes > 0) std::memcpy(out.data() + used + kLengthBytes, part.data(), bytes);
    used = end;
  }

  std::vector<Layer> layers_;
  std::unique_ptr<Codec> whole_;
  size_t values_ = 0;
};

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(' ');
  if (first == text.npos) return "";
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

const std::string& codec_of(const TensorSpec& tensor, const std::string& spec,
                            const LayerRules& rules) {
  for (const auto& [name, codec] : rules.named) {
    if (name == tensor.name) return codec;
  }
  return !rules.small.empty() && tensor.values() < rules.small_values ? rules.small : spec;
}

void check_names(const LayerRules& rules, const Layout& layout) {
  for (const auto& [name, codec] : rules.named) {
    std::string known;
    bool found = false;
    for (const TensorSpec& tensor : layout) {
      found |= tensor.name == name;
      known += (known.empty() ? "" : ", ") + tensor.name;
    }
    if (!found) {
      throw OperatorError("codec.layers names the tensor \"" + name + "\", but the model has " +
                          known);
    }
  }
}

}  // namespace

std::vector<std::pair<std::string, std::string>> parse_named_layers(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> named;
  for (size_t first = 0; first < text.size();) {
    const size_t end = std::min(text.find(';', first), text.size());
    const std::string rule = text.substr(first, end - first);
    first = end + 1;
    const size_t equals = rule.find('=');
    if (equals == rule.npos || trimmed(rule.substr(0, equals)).empty()) {
      throw OperatorError("codec.layers: \"" + trimmed(rule) +
                          "\" is not \"tensor = codec\"; rules are separated by semicolons, as in "
                          "\"layers.0.weight = top-k:0.01; layers.0.bias = fp16\"");
    }
    named.emplace_back(trimmed(rule.substr(0, equals)), trimmed(rule.substr(equals + 1)));
  }
  return named;
}

std::unique_ptr<Codec> make_layered_codec(const std::string& spec, const LayerRules& rules,
                                          const Layout& layout) {
  if (!rules.any()) return make_codec(spec, layout);
  check_names(rules, layout);
  std::vector<Layer> layers;
  size_t first = 0;
  for (const TensorSpec& tensor : layout) {
    layers.push_back({first, tensor.values(), make_codec(codec_of(tensor, spec, rules), {tensor})});
    first += tensor.values();
  }
  return std::make_unique<LayeredCodec>(std::move(layers), make_codec(spec));
}

}  // namespace kith
