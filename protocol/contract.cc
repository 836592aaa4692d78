#include "protocol/contract.h"

#include <xxhash.h>

#include <algorithm>
#include <string>

#include "topology/assert.h"

namespace kith {

namespace {
// Rounds between those that both are in and the first of a new contract: time for an answer. Twice
// as many at each further try.
constexpr Round kMargin = 2;
constexpr uint32_t kMostDoublings = 12;

// Of a contract with the number `kept` in a run that goes on and begins with `fresh`. Nobody has
// either twice; of two that are mixed one in kFresh may be taken for another.
uint64_t number_after(uint64_t fresh, uint64_t kept) {
  if (fresh == 0 || kept == 0) return fresh + kept;
  const uint64_t both[] = {fresh, kept};
  return 1 + XXH3_64bits(both, sizeof both) % Contracts::kFresh;
}
}  // namespace

Contracts::Contracts(NodeId self, std::vector<NodeId> peers)
    : self_(self), peers_(std::move(peers)), edges_(peers_.size()) {
  KITH_ASSERT(std::ranges::is_sorted(peers_) && !std::ranges::binary_search(peers_, self));
}

void Contracts::begin_with(uint64_t number) {
  KITH_ASSERT(all_in_force());
  for (Edge& edge : edges_) edge.terms.number = number;
}

bool Contracts::knows(NodeId peer) const { return std::ranges::binary_search(peers_, peer); }

const Contracts::Edge& Contracts::at(NodeId peer) const {
  const auto place = std::ranges::lower_bound(peers_, peer);
  KITH_ASSERT(place != peers_.end() && *place == peer);
  return edges_[static_cast<size_t>(place - peers_.begin())];
}

void Contracts::leave(NodeId peer) {
  Edge& edge = at(peer);
  if (edge.in_force) ++left_;
  edge.in_force = false;
  edge.proposed.reset();
}

void Contracts::ban(NodeId peer) {
  leave(peer);
  at(peer).banned = true;
}

Contracts::Terms Contracts::propose(NodeId peer, uint64_t number, Round theirs, Round own,
                                    Round last) {
  Edge& edge = at(peer);
  KITH_ASSERT(!edge.in_force);
  uint64_t highest = std::max(edge.terms.number, number);
  if (edge.proposed) {
    const Terms& last_one = *edge.proposed;
    const bool seen = number >= last_one.number;
    if (!seen && last_one.from > std::max(theirs, own)) return last_one;
    if (seen) ++edge.tries;
    highest = std::max(highest, last_one.number);
  }
  const Round margin = kMargin << std::min(edge.tries, kMostDoublings);
  edge.proposed = {highest + 1, std::min(std::max(theirs, own) + margin, last)};
  return *edge.proposed;
}

Contracts::Outcome Contracts::accept(NodeId peer, const Terms& terms, Round own) {
  Edge& edge = at(peer);
  if (edge.in_force && edge.terms == terms) return Outcome::kKnown;  // the acceptance was lost
  edge.seen = std::max(edge.seen, terms.number);
  if (terms.number <= edge.terms.number) return Outcome::kNoMatter;
  if (edge.proposed) {
    const bool same = edge.proposed->number == terms.number;
    if (edge.proposed->number > terms.number || (same && self_ < peer)) return Outcome::kNoMatter;
  }
  if (terms.from <= own) return Outcome::kTooLate;
  enforce(edge, terms);
  return Outcome::kInForce;
}

Contracts::Outcome Contracts::accepted(NodeId peer, uint64_t number, Round own) {
  Edge& edge = at(peer);
  if (edge.in_force && edge.terms.number == number) return Outcome::kKnown;
  if (!awaits(peer, number)) return Outcome::kNoMatter;
  if (edge.proposed->from <= own) return Outcome::kTooLate;
  enforce(edge, *edge.proposed);
  return Outcome::kInForce;
}

uint64_t Contracts::known(NodeId peer) const {
  const Edge& edge = at(peer);
  return std::max(edge.terms.number, edge.seen);
}

bool Contracts::awaits(NodeId peer, uint64_t number) const {
  const Edge& edge = at(peer);
  return !edge.in_force && edge.proposed && edge.proposed->number == number;
}

void Contracts::persist(Archive& archive) {
  for (size_t i = 0; i < peers_.size(); ++i) {
    const std::string peer = std::to_string(index_of(peers_[i]));
    bool left = !edges_[i].in_force;
    uint64_t number = edges_[i].terms.number;
    archive.number("left." + peer, left);
    archive.number("number." + peer, number);
    if (!archive.reading()) continue;
    edges_[i].terms.number = number_after(edges_[i].terms.number, number);
    if (left) leave(peers_[i]);
  }
}

void Contracts::enforce(Edge& edge, const Terms& terms) {
  if (!edge.in_force) --left_;
  edge.in_force = true;
  edge.terms = terms;
  edge.proposed.reset();
  edge.tries = 0;
}

}  // namespace kith
