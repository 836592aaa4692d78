#include "daemon/real/loader.h"

#include <xxhash.h>

#include <algorithm>
#include <map>

#include "daemon/real/address.h"
#include "topology/error.h"

namespace kith {

namespace {

std::vector<NodeId> all_but(NodeId self, uint32_t nodes) {
  std::vector<NodeId> all;
  for (uint32_t i = 0; i < nodes; ++i) {
    if (NodeId{i} != self) all.push_back(NodeId{i});
  }
  return all;
}

// The key that the node at this address must show.
PublicKey key_of(const control::PeerAddress& peer, const Identity* identity) {
  if (identity == nullptr) return {};
  const Member* member = identity->members.at(peer.endpoint);
  if (member != nullptr) return member->key;
  throw OperatorError("'" + identity->members.path() + "' lists no peer at " + peer.endpoint +
                      ", the address of node " + std::to_string(index_of(peer.node)) +
                      ": add its line, with the address written like that, on every machine.");
}

// Names of peers on this machine and elsewhere, each host looked up once.
std::vector<PeerEndpoint> endpoints_of(const control::StartRequest& request,
                                       const Identity* identity) {
  std::map<std::string, std::string> dotted;
  const std::vector<std::string> own = local_addresses();
  std::vector<PeerEndpoint> peers;
  for (const control::PeerAddress& peer : request.peers) {
    if (peer.node == request.node || index_of(peer.node) >= request.nodes) continue;
    const Address address = parse_address(peer.endpoint);
    if (!dotted.contains(address.host)) dotted[address.host] = resolve(address.host);
    const std::string& ip = dotted[address.host];
    const bool local = ip.starts_with("127.") || std::ranges::binary_search(own, ip);
    peers.push_back({peer.node, peer.endpoint, ip, address.port, local, key_of(peer, identity)});
  }
  std::ranges::sort(peers, {}, &PeerEndpoint::node);
  const auto twice = std::ranges::adjacent_find(peers, {}, &PeerEndpoint::node);
  if (twice != peers.end()) {
    throw OperatorError("Node " + std::to_string(index_of(twice->node)) +
                        " has two addresses in the start request; give one.");
  }
  return peers;
}

void check_neighbors(const LoadedJob& loaded) {
  for (const NodeId neighbor : loaded.neighbors) {
    if (!std::ranges::binary_search(loaded.membership.peers, neighbor, {}, &PeerEndpoint::node)) {
      throw OperatorError("Node " + std::to_string(index_of(neighbor)) +
                          " is a neighbour of node " +
                          std::to_string(index_of(loaded.membership.self)) +
                          " but the start request names no address for it.");
    }
  }
}

void prepare_checkpoints(LoadedJob& loaded, Checkpoints* checkpoints) {
  const AlgorithmInfo& algorithm = *loaded.plan.algorithm;
  if (!algorithm.central) {
    throw OperatorError(std::string("checkpoint.every needs an algorithm with a coordinator; \"") +
                        algorithm.name + "\" has none: leave it out.");
  }
  if (checkpoints == nullptr) {
    throw OperatorError(
        "The job wants checkpoints (checkpoint.every), but this kithd was started "
        "without a folder for them: start it with --state DIR.");
  }
  checkpoints->begin(loaded.start);
  if (loaded.start.generation > 0) loaded.kept = checkpoints->entries();
}

}  // namespace

uint64_t run_hash(const control::StartRequest& request) {
  const uint64_t text = XXH3_64bits(request.job.data(), request.job.size());
  const uint64_t parts[] = {text, request.nodes, request.run};
  return XXH3_64bits(parts, sizeof parts);
}

uint64_t wire_job(const RunStart& start) { return run_hash(start.request) + start.generation; }

bool wants_checkpoints(const control::StartRequest& request) {
  try {
    return parse_job(request.job).checkpoint_every > 0;
  } catch (const OperatorError&) {  // load() will say it
    return false;
  }
}

std::shared_ptr<LoadedJob> load(const RunStart& start, Checkpoints* checkpoints,
                                const Identity* identity) {
  const control::StartRequest& request = start.request;
  if (request.nodes == 0 || request.nodes > limits::kNodes ||
      index_of(request.node) >= request.nodes) {
    throw OperatorError("The start request names node " + std::to_string(index_of(request.node)) +
                        " of " + std::to_string(request.nodes) +
                        " nodes; the first node is 0 and the last one nodes - 1.");
  }
  const Job job = parse_job(request.job);
  validate(job, request.nodes);
  auto loaded = std::make_shared<LoadedJob>();
  const ModelInfo& info = model_info(job.model.kind);
  DataShape shape;
  double rows_per_node = 0;
  if (info.needs_data) {
    LocalData data = load_local_data(job.data, job.seed, request.node, request.nodes, false);
    shape = data.shard->shape();
    rows_per_node = static_cast<double>(data.total_rows) / request.nodes;
    loaded->shard = std::move(data.shard);
  }
  loaded->model = info.make(shape, request.nodes, job.model.options);
  loaded->plan = make_plan(job, request.nodes, *loaded->model, rows_per_node);
  loaded->initial = initial_parameters(job, *loaded->model, loaded->pool);
  all_neighbors(*loaded->plan.graph, request.node, loaded->neighbors);
  // Any node may be the hub one day, and whoever is there can tell that the run goes on.
  if (loaded->plan.goes_on && loaded->plan.algorithm->needs.star) {
    loaded->neighbors = all_but(request.node, request.nodes);
  }
  loaded->start = start;
  if (job.delays.inject) loaded->injected = make_timing(job.delays);
  loaded->membership.job = wire_job(start);
  loaded->membership.self = request.node;
  // A message holds a few vectors at the most, and no codec doubles one.
  loaded->membership.max_payload =
      std::min(limits::kPayloadBytes, 8 * loaded->plan.dimension * sizeof(float) + 65536);
  loaded->membership.peers = endpoints_of(request, identity);
  check_neighbors(*loaded);
  if (job.checkpoint_every > 0) {
    prepare_checkpoints(*loaded, checkpoints);
  } else if (loaded->plan.goes_on && checkpoints != nullptr) {
    checkpoints->begin(loaded->start);
  }
  return loaded;
}

}  // namespace kith
