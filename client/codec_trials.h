// codec.kind = "auto" for kith run and kith simulate: what the candidates cost, and what is said
// about it.
#pragma once

#include <memory>

#include "client/cluster.h"
#include "client/training.h"
#include "client/view/progress.h"
#include "daemon/job_codec.h"

namespace kith {

// Of daemons that have no job, and have none afterwards. Throws what Cluster does.
CodecChoice choose_on_daemons(const Job& job, Cluster& cluster, ProgressView& view);

// In virtual time. Nothing when `cancelled` says so.
std::optional<CodecChoice> choose_in_simulator(const Job& job, uint32_t nodes,
                                               const Training& training, unsigned threads,
                                               const std::function<bool()>& cancelled,
                                               ProgressView& view);

}  // namespace kith
