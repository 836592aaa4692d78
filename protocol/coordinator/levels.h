// A codec "qsgd:s" whose number of levels s a hub decides anew for each round, as AdaQuantFL does
// (theory/error.h). Every node has one of these and is told s with the model.
#pragma once

#include <memory>
#include <string>

#include "protocol/archive.h"
#include "protocol/codec.h"

namespace kith {

class Levels {
 public:
  // The first levels of "qsgd:15" or "qsgd:15:512"; 0 for any other codec.
  static uint32_t first_of(const std::string& spec);

  // `first`: a codec with first_of above 0; outlives this.
  explicit Levels(const Codec& first);

  // Of the messages of this round.
  const Codec& codec() const { return made_ ? *made_ : *first_; }
  uint32_t now() const { return now_; }

  // 1 to limits::kLevels.
  void set(uint32_t levels);

  // On the hub: a round is over whose mean training loss this was.
  void observe(double loss);

  void persist(Archive& archive);

 private:
  const Codec* first_;
  std::string bucket_;  // ":512"
  uint32_t begin_;      // s_0
  uint32_t now_;
  double first_loss_ = 0;        // F_0; 0 = not known yet
  std::unique_ptr<Codec> made_;  // where now_ is not begin_
};

// Where a model tells how many local steps and levels its round has, in one number; levels 0 =
// fixed.
double pack_steps_and_levels(uint32_t steps, uint32_t levels);

}  // namespace kith
