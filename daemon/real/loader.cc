#include "daemon/real/loader.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "daemon/real/address.h"
#include "daemon/real/roll.h"
#include "topology/error.h"

namespace kith {

namespace {

uint64_t hash_of(const std::string& text) { return XXH3_64bits(text.data(), text.size()); }

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

LocalData load_rows(const Job& job, const control::StartRequest& request, const OwnData* own) {
  if (own == nullptr) {
    return load_local_data(job.data, job.seed, request.node, request.nodes, false);
  }
  return load_local_data(own_spec(job, *own), job.seed, NodeId{0}, 1, false);
}

// The beginning is a place to go back to for all who must go back together; who can do without the
// others has let go of it, as of any other, when it has newer ones.
void add_beginning(LoadedJob& loaded) {
  const AlgorithmInfo& algorithm = *loaded.plan.algorithm;
  const bool exact = algorithm.synchronous || algorithm.central;
  const bool let_go = exact && loaded.plan.goes_on && loaded.kept.size() >= CheckpointFolder::kKept;
  if (!let_go) loaded.kept.push_back({0, exact ? 0 : Restart::kAnyLater});
}

void prepare_checkpoints(LoadedJob& loaded, Checkpoints* checkpoints) {
  const bool keeps = loaded.plan.job.keeps_checkpoints();
  if (checkpoints == nullptr && keeps) {
    throw OperatorError(
        "The job wants checkpoints ([checkpoint]), but this kithd was started "
        "without a folder for them: start it with --state DIR.");
  }
  if (!keeps && !loaded.plan.goes_on) return;
  if (checkpoints != nullptr) checkpoints->begin(loaded.start, loaded.plan.rounds_apart());
  if (loaded.start.generation == 0) return;
  if (checkpoints != nullptr) loaded.kept = checkpoints->entries();
  loaded.kept.resize(std::min(loaded.kept.size(), limits::kRestarts - 1));
  add_beginning(loaded);
  loaded.membership.max_payload = std::max(
      loaded.membership.max_payload, Roll::encoded_bytes(loaded.plan.nodes, limits::kRestarts));
}

// What stands in every header.
uint64_t wire_job(const LoadedJob& loaded) {
  const uint64_t run = run_hash(loaded.start.request) ^ hash_of(loaded.data);
  return loaded.plan.goes_on ? run : run + loaded.start.generation;
}

}  // namespace

std::string data_text(DataShape shape, const std::vector<std::string>& class_names) {
  std::string text =
      std::to_string(shape.features) + " features, " + std::to_string(shape.classes) + " classes";
  if (class_names.empty()) return text;
  std::string all;
  for (const std::string& name : class_names) all += name + '\n';
  char digits[17];
  std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(hash_of(all)));
  return text + " named " + digits;
}

std::shared_ptr<LoadedJob> load(const RunStart& start, Checkpoints* checkpoints,
                                const Identity* identity, const OwnData* own) {
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
    LocalData data = load_rows(job, request, own);
    shape = data.shard->shape();
    rows_per_node = static_cast<double>(data.total_rows) / (own != nullptr ? 1 : request.nodes);
    loaded->data = data_text(shape, data.class_names);
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
  loaded->membership.job = wire_job(*loaded);
  loaded->membership.self = request.node;
  // A message holds a few vectors at the most, and no codec doubles one.
  loaded->membership.max_payload =
      std::min(limits::kPayloadBytes, 8 * loaded->plan.dimension * sizeof(float) + 65536);
  loaded->membership.peers = endpoints_of(request, identity);
  check_neighbors(*loaded);
  prepare_checkpoints(*loaded, checkpoints);
  return loaded;
}

}  // namespace kith
