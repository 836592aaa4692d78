// Gossip without rounds: a node computes at its own pace and, after each round of its own, averages
// its model with that of one random neighbour (AD-PSGD: Lian, Zhang, Zhang, Liu 2018; SwarmSGD:
// Nadiradze et al. 2021). Nobody waits for anybody's computing.
//
// The exchange. Node i offers u = x_i to j and is bound until j answers. j moves at once and
// answers by how much, d, and i moves against it whatever has become of x_i meanwhile:
//   j:  x_j += d        i:  x_i -= d
// So each exchange keeps x_i + x_j, to the rounding of these two sums, and a node, bound or not,
// can answer whoever offers: no chain of bound nodes, no cycle of them, can hold an answer back, on
// any graph. What d is:
//   j is free    d = (u - x_j) / 2: both have the average, as in the papers.
//   j is bound   it has offered a = x_j of before, and half of that is promised away. Think of each
//                model as the mean of two halves. An exchange of free nodes is a swap of one half
//                each; a bound node has one half out (a) and one at home (v = 2 x_j - a), and
//                brings the one that it has at home to the mean of it and what is offered:
//                d = (u - v) / 4.
// Every model stays the mean of two halves, and halves are only swapped, averaged or moved by
// steps: whoever meets whom how often and how late, no exchange lets the sum of the squared
// distances of the halves to their mean grow. (With d = (u - x_j) / 2 always, two nodes that offer
// each other their models at once would merely swap them, and a node that answers many while it is
// bound would be thrown beyond all of them.)
//
// The order of messages on an edge. Two offers of an edge wait for something else:
//   - One says how many offers of its receiver have been answered. Where such an answer is still on
//     its way the offer waits for it: it has been sent, so it comes.
//   - While i is bound to j it answers one offer of j, which may have crossed its own. The next one
//     waits for j's answer, and that waits for nothing: the offer of i is the first that j gets of
//     it since, and says that all answers of i have been seen or are on their way.
// Hence all that may be missing on a directed edge is among the last two messages that were sent
// along it: an answer and, after it, an offer or the last word; or an offer and the answer that
// crossed another. So many Node keeps. What is lost of them is brought back by the one who waits
// for an answer, whose question tells of its own offer as well.
//
// Who is gone. An exchange with a neighbour that leaves is over; a node draws among those who are
// there. What such a neighbour had answered, or was about to be answered, is not kept of the sum.
//
// The end. A node that has done its rounds tells its neighbours, and its answers go on saying so;
// it answers until all of them have told. So a run is as long as its slowest node takes, whose
// exchanges then are with models that move no more by themselves.
#pragma once

#include <memory>

#include "protocol/algorithm.h"

namespace kith {

struct PairwiseRule {
  const char* name;
  bool steps_first = false;   // the steps of a round move x before it is offered, not after
  bool overlap = false;       // the next steps begin when x is offered, not when it is answered
  uint32_t local_steps = 1;   // of a round, on average
  bool random_steps = false;  // geometric, from 1
};

// Keeps: x and where the steps began; u and where the steps ended until the answer is there. Sends:
// for each round one vector and gets one; answers as many as it is offered. Waits: for the answer
// to its own offer. Measures: staleness in exchanges that moved x between the snapshot that the
// steps began from and their coming to x.
std::unique_ptr<Algorithm> make_pairwise(const NodeState& state, const PairwiseRule& rule);

// Options that the family shares.
OptionSpec option_overlap();

}  // namespace kith
