// DRIVE (Vargaftik, Ben-Basat, Portnoy, Mendelson, Ben-Itzhak, Mitzenmacher 2021): the signs of the
// rotated vector and one scale per block. Rotation, scales, bias and wire:
// protocol/rotated_codec.h.
//
//   drive           error = (1 - ||r||_1^2 / (d ||x||^2)) ||x||^2, near 1 - 2/pi = 0.363; never
//                   larger than the vector: the form for error feedback
//   drive:unbiased  error = (d ||x||^2 / ||r||_1^2 - 1) ||x||^2, near pi/2 - 1 = 0.571
//
// A bit per value, 32 per block of 4096, and 96. drive:unbiased is eden:1.
#include "protocol/codec.h"
#include "protocol/rotated_codec.h"

namespace kith {

namespace {

std::unique_ptr<Codec> make_drive(const std::string& argument) {
  if (argument.empty()) {
    return std::make_unique<RotatedCodec>(1, RotatedCodec::Scale::kLeastError, "drive");
  }
  if (argument == "unbiased") {
    return std::make_unique<RotatedCodec>(1, RotatedCodec::Scale::kUnbiased, "drive:unbiased");
  }
  throw OperatorError("codec \"drive:" + argument +
                      "\": write \"drive\", of least error, or \"drive:unbiased\"");
}

}  // namespace

extern const CodecInfo drive_codec = {
    .name = "drive",
    .argument = "unbiased; the least error if absent",
    .help = "signs of a random rotation, 1 bit per value; wants error feedback unless unbiased",
    .example = "drive",
    .make = make_drive,
};

}  // namespace kith
