// codec.kind = "auto": which codec a job takes is measured before it begins. Every candidate, from
// the coarsest to the gentlest, trains for some rounds on the nodes, links and data of the job; the
// one with the shortest way to a given accuracy is taken:
//
//   seconds of a round  x  rounds, as a multiple of those that floats need
//
// The first holds computing, the speed of coding and that of the links, and whatever of these goes
// on at the same time. Coarse codecs move fast over slow links, so that the search never waits for
// floats where these are far behind.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/job.h"

namespace kith {

struct CodecCandidate {
  Job job;            // with its codec, memory, downlink and consensus step
  double rounds = 1;  // to a given accuracy, in multiples of what floats need; estimated
};

// Of a job whose codec is to be chosen, coarsest first; the last one sends floats. Those that do
// not go with the algorithm or the graph are not among them. What the job says of memory, downlink
// and consensus step stands.
std::vector<CodecCandidate> codec_candidates(const Job& job, uint32_t nodes);

// What a round has cost, of the node for which it is most.
struct RoundCost {
  double seconds = 0;
  double coding_seconds = 0;  // of these, at most: encoding and decoding
  double bytes = 0;           // sent
};

struct CodecTrial {
  std::string codec;  // codec_text
  double rounds = 1;  // as CodecCandidate::rounds
  RoundCost cost;
  double score() const { return cost.seconds * rounds; }
};

struct CodecChoice {
  Job job;                         // to run
  std::vector<CodecTrial> trials;  // in the order in which they were made
  size_t taken = 0;                // of these
};

// Rounds of a trial, of an algorithm in which a node computes a batch a round; more where it waits
// for fewer.
struct TrialLength {
  Round first;    // while nothing is known
  Round at_most;  // to fill a fifth of a second with those that are measured
};

struct TrialRunner {
  // Runs a job for `rounds` rounds, as said in its stop.rounds, with reports in the middle and at
  // the end. Tells what a round costs between the two: its steady state, that is.
  std::function<RoundCost(const Job& job, Round rounds)> run;
  std::function<void(const CodecTrial&)> on_trial;  // after each
  TrialLength length;
};

CodecChoice choose_codec(const Job& job, uint32_t nodes, const TrialRunner& runner);

// Bytes/s that a node sends, from what bytes more have cost; 0 where that is lost in the noise.
double bytes_per_second(const std::vector<CodecTrial>& trials);

}  // namespace kith
