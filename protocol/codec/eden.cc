// EDEN (Vargaftik, Ben-Basat, Portnoy, Mendelson, Ben-Itzhak, Mitzenmacher 2022): each value of the
// rotated vector goes to the next level of the Lloyd-Max quantiser of N(0, 1) with b bits, and one
// scale per block makes the result unbiased. Rotation, scale, bias and wire:
// protocol/rotated_codec.h.
//
//   error = ||x||^2 tan^2 a, near D_b / (1 - D_b): 0.571, 0.133, 0.0358, 0.0096 for b = 1 to 4
//
// b bits per value, 32 per block of 4096, and 96.
#include "protocol/codec.h"
#include "protocol/rotated_codec.h"

namespace kith {

namespace {

std::unique_ptr<Codec> make_eden(const std::string& argument) {
  if (argument.size() != 1 || argument[0] < '1' || argument[0] > '4') {
    throw OperatorError("codec \"eden:" + argument +
                        "\": wants 1 to 4 bits per value, as in \"eden:2\"");
  }
  return std::make_unique<RotatedCodec>(argument[0] - '0', RotatedCodec::Scale::kUnbiased,
                                        "eden:" + argument);
}

}  // namespace

extern const CodecInfo eden_codec = {
    .name = "eden",
    .argument = "bits in 1..4",
    .help = "random rotation and the best 1 to 4 bits for normal values; unbiased",
    .example = "eden:2",
    .make = make_eden,
};

}  // namespace kith
