// The algorithms whose round is an order statistic or a renewal rate.
#include "protocol/theory/runtime.h"

#include "protocol/theory/runtime_parts.h"
#include "topology/assert.h"

namespace kith {

const char* method_name(Method method) {
  switch (method) {
    case Method::kClosedForm: return "closed form";
    case Method::kQuadrature: return "quadrature";
    case Method::kPath: return "periodic path";
    case Method::kMonteCarlo: return "Monte Carlo";
  }
  KITH_ASSERT(false);
}

RunTime k_sync_time(const ClusterTiming& cluster, uint32_t k) {
  const Expectation expectation = expected_order_statistic(cycles(cluster), k);
  return exact(expectation.value,
               expectation.closed_form ? Method::kClosedForm : Method::kQuadrature,
               k == cluster.compute.size() ? "E max_i (X_i + D_i)" : "E (X + D)_{K:N}");
}

RunTime sync_time(const ClusterTiming& cluster) {
  return k_sync_time(cluster, static_cast<uint32_t>(cluster.compute.size()));
}

RunTime k_batch_async_time(const ClusterTiming& cluster, uint32_t k) {
  KITH_ASSERT(k >= 1);
  return exact(k / unhindered_rate(cluster), Method::kClosedForm,
               k == 1 ? "1 / sum_i 1/(E X_i + D_i)" : "K / sum_i 1/(E X_i + D_i)");
}

RunTime async_time(const ClusterTiming& cluster) { return k_batch_async_time(cluster, 1); }

RunTime local_sgd_time(const ClusterTiming& cluster, uint32_t tau) {
  RunTime time = sync_time(with_local_steps(cluster, tau));
  time.formula = "E max_i (sum of tau X_i + D_i)";
  time.local_steps = tau;
  return time;
}

RunTime elastic_async_time(const ClusterTiming& cluster, uint32_t tau) {
  check(cluster);
  KITH_ASSERT(tau >= 1);
  const auto nodes = static_cast<double>(cluster.compute.size());
  double rate = 0;  // exchanges a second
  for (const DelayTerm& term : cycles(cluster)) rate += 1 / (tau * term.law->mean() + term.plus);
  RunTime time = exact(nodes / rate, Method::kClosedForm, "N / sum_i 1/(tau E X_i + D_i)");
  time.local_steps = tau;
  time.updates = nodes;
  return time;
}

double k_async_staleness(uint32_t nodes, uint32_t k) {
  KITH_ASSERT(1 <= k && k <= nodes);
  return static_cast<double>(nodes) / k - 1;
}

double k_batch_async_staleness(uint32_t nodes, uint32_t k) {
  KITH_ASSERT(1 <= k && 1 <= nodes);
  return (nodes - 1.0) / k;
}

}  // namespace kith
