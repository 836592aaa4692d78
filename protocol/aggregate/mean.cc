// The weighted sum that the algorithm takes by itself: W for a gossiping node, equal shares or rows
// at a hub. One bad vector of any length moves it anywhere: f = 0.
//
// Costs nothing: no vector is looked at, and sums run over payloads as they came (weighted_sum.h).
#include "protocol/aggregate.h"

namespace kith {

extern const AggregateInfo mean_aggregate;
const AggregateInfo mean_aggregate = {
    .name = "mean",
    .help = "the weighted mean of the algorithm; one bad vector can move it anywhere",
};

}  // namespace kith
