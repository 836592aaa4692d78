// What an operator is told before a start, and what MATCHA refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/job_notes.h"
#include "topology/error.h"

namespace kith {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Job job(const std::vector<std::string>& keys) {
  return parse_job("[model]\nkind = \"quadratic\"\n[stop]\nrounds = 10\n", keys);
}

std::vector<std::string> notes(const std::vector<std::string>& keys, uint32_t nodes) {
  return job_notes(job(keys), nodes);
}

std::string refusal(const std::vector<std::string>& keys) {
  try {
    validate(job(keys), 8);
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "";
}

TEST(JobNotes, AreThoseOfTheGraph) {
  const std::string graph = "topology.graph=one-peer-exponential";
  EXPECT_THAT(notes({graph}, 6), ElementsAre(HasSubstr("a power of two: with 6 nodes")));
  EXPECT_TRUE(notes({graph}, 8).empty());
  EXPECT_TRUE(notes({"topology.graph=ring"}, 6).empty());
}

// ALGORITHMS 5: on the ring MATCHA has rho = .78391, and all edges in half of the rounds .77716.
TEST(JobNotes, SayWhatMatchaComesTo) {
  const std::string kind = "algorithm.kind=matcha";
  EXPECT_THAT(notes({kind, "topology.graph=ring"}, 8),
              ElementsAre(testing::AllOf(HasSubstr("1 of the graph's 2 matchings"),
                                         HasSubstr("0.7839"), HasSubstr("(0.7772)"))));
  EXPECT_THAT(notes({kind, "topology.graph=barbell"}, 8),
              ElementsAre(testing::AllOf(HasSubstr("2 of the graph's 4 matchings"),
                                         HasSubstr("0.8698"), Not(HasSubstr("no less")))));
  EXPECT_TRUE(notes({kind, "topology.graph=ring"}, 1).empty());
}

TEST(JobCheck, MatchaNeedsEdgesThatGoBothWaysAndStay) {
  const std::string kind = "algorithm.kind=matcha";
  EXPECT_EQ(refusal({kind, "topology.graph=ring"}), "");
  EXPECT_EQ(refusal({kind, "topology.graph=ring", "algorithm.budget=1"}), "");
  EXPECT_THAT(refusal({kind, "topology.graph=static-exponential"}), HasSubstr("go both ways"));
  EXPECT_THAT(refusal({kind, "topology.graph=one-peer-exponential"}), HasSubstr("go both ways"));
  EXPECT_THAT(refusal({kind, "topology.graph=ring", "topology.weights=metropolis"}),
              HasSubstr("leave it out"));
  EXPECT_EQ(refusal({kind, "topology.graph=ring", "codec.kind=qsgd:15"}), "");
  EXPECT_ANY_THROW(job({kind, "algorithm.budget=0"}));
  EXPECT_ANY_THROW(job({kind, "algorithm.budget=1.5"}));
}

TEST(JobCheck, ChocoNeedsEdgesThatGoBothWaysWhereTheGraphChanges) {
  const std::string kind = "algorithm.kind=choco-sgd";
  EXPECT_EQ(refusal({kind, "topology.graph=base-k-plus-1"}), "");
  EXPECT_EQ(refusal({kind, "topology.graph=static-exponential"}), "");
  EXPECT_THAT(refusal({kind, "topology.graph=one-peer-exponential"}),
              HasSubstr("both ways where the graph changes"));
}

}  // namespace
}  // namespace kith
