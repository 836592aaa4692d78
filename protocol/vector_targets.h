// The instruction sets that vector loops are compiled for and chosen from at run time: all that
// Highway knows but those whose vectors have no fixed length. A tile of a matrix product is an
// array of vectors, and a reduction runs over 16 fixed lanes; neither can be made of these. For
// files that include foreach_target.h, before that and before any other header of Highway.
#pragma once

#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
