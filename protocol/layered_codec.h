// A codec for each tensor of a model: its layers are of different size and scale, so that 1 % of
// all values may be none of a small layer.
//
// Wire, little-endian: for every tensor in the order of the layout u32 bytes, then what its codec
// wrote. Vectors that are not a whole model (parts of one) go through the job's codec as they are.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "protocol/codec.h"

namespace kith {

// Which tensor is coded how; the first rule that fits counts.
struct LayerRules {
  std::vector<std::pair<std::string, std::string>> named = {};  // tensor, codec
  std::string small = {};  // codec of tensors with fewer than `small_values` values; empty = none
  size_t small_values = 0;
  bool each = false;  // every tensor by itself, through the codec of the job

  bool any() const { return each || !small.empty() || !named.empty(); }
};

// "layers.0.weight = top-k:0.01 | int8; layers.1.bias = identity". Throws OperatorError.
std::vector<std::pair<std::string, std::string>> parse_named_layers(const std::string& text);

// make_codec(spec, layout) where there are no rules. Throws OperatorError where a rule names a
// tensor that is not in the layout.
std::unique_ptr<Codec> make_layered_codec(const std::string& spec, const LayerRules& rules,
                                          const Layout& layout);

}  // namespace kith
