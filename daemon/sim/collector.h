// Gathers the reports of all nodes into one per round, without holding the nodes' parameters: a
// running sum and a running sum of squares, in double precision. O(p) per node and report.
#pragma once

#include <map>
#include <vector>

#include "daemon/sim/simulator.h"
#include "protocol/effect.h"

namespace kith {

class Collector {
 public:
  // `reporters`: nodes whose reports make up a round.
  Collector(uint32_t reporters, size_t dimension, bool with_average)
      : reporters_(reporters), dimension_(dimension), with_average_(with_average) {}

  // Returns true, and fills `out`, when `report` is the last of its round. `bytes_sent`: by the
  // node that reports.
  bool add(const Report& report, Time now, uint64_t bytes_sent, SimulationReport& out);

 private:
  struct Gathering {
    std::vector<double> sum;
    double squares = 0;
    double loss = 0;
    double disagreement = -1;  // as a hub told
    uint64_t bytes_sent_most = 0;
    uint32_t count = 0;
  };

  uint32_t reporters_;
  size_t dimension_;
  bool with_average_;
  std::map<Round, Gathering> rounds_;
  Round next_ = 0;  // after those that are complete
};

}  // namespace kith
