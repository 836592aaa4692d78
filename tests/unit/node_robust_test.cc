// Bad peers: what a job may ask for, who is bad, what such a node sends, and what others make of
// NaN.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "daemon/job_notes.h"
#include "daemon/job_robust.h"
#include "protocol/aggregate.h"
#include "tests/support/silent_body.h"
#include "topology/error.h"

namespace kith {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kJob =
    "[model]\nkind = \"quadratic\"\nreplicas = 2\n[stop]\nrounds = 3\n[topology]\ngraph = "
    "\"complete\"\n";
const std::vector<std::string> kSync = {"algorithm.kind=sync", "topology.graph=star"};

Job job(std::vector<std::string> keys, const std::vector<std::string>& more = {}) {
  keys.insert(keys.end(), more.begin(), more.end());
  return parse_job(kJob, keys);
}

std::string refusal(const std::vector<std::string>& keys, const std::vector<std::string>& more = {},
                    uint32_t nodes = 10) {
  try {
    validate(job(keys, more), nodes);
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "";
}

TEST(Aggregate, EveryRuleGoesWithEveryAlgorithmThatAverages) {
  for (const AggregateInfo* rule : all_aggregates()) {
    const std::string kind = std::string("aggregate.kind=") + rule->name;
    for (const AlgorithmInfo* info : all_algorithms()) {
      if (info->aggregates == Aggregates::kNothing) continue;
      std::vector<std::string> keys = {kind, std::string("algorithm.kind=") + info->name};
      if (info->needs.star) keys.push_back("topology.graph=star");
      for (const OptionSpec& spec : info->options) {
        if (spec.key == std::string("weighting")) keys.push_back("algorithm.weighting=equal");
      }
      const bool fits = rule->of_models || info->aggregates == Aggregates::kUpdates;
      EXPECT_EQ(refusal(keys) == "", fits) << kind << " " << info->name << ": " << refusal(keys);
    }
  }
}

TEST(Aggregate, WhatCannotWorkIsRefusedWithWhatDoes) {
  const std::string median = "aggregate.kind=median";
  EXPECT_THAT(refusal({median, "algorithm.kind=choco-sgd"}),
              AllOf(HasSubstr("choco-sgd"), HasSubstr("\"dpsgd\""), HasSubstr("\"sync\"")));
  EXPECT_THAT(refusal({"aggregate.kind=norm-clipping"}), HasSubstr("centred-clipping"));
  EXPECT_THAT(refusal({median, "algorithm.kind=fedavg", "topology.graph=star"}),
              HasSubstr("algorithm.weighting = \"equal\""));
  EXPECT_THAT(refusal(kSync, {median, "codec.kind=sign", "codec.memory=ef21"}),
              HasSubstr("codec.memory"));
  EXPECT_THAT(refusal(kSync, {median, "codec.kind=rand-k-spatial:0.5:avg"}), HasSubstr("rand-k:F"));
  EXPECT_THAT(refusal({median, "consensus.tolerance=0.01"}), HasSubstr("consensus.tolerance"));
  EXPECT_THAT(refusal({"aggregate.kind=krum", "topology.graph=ring"}),
              AllOf(HasSubstr("at least 5"), HasSubstr("some node has 3")));
  EXPECT_THAT(refusal(kSync, {"aggregate.kind=krum", "aggregate.byzantine=4"}),
              AllOf(HasSubstr("at least 11"), HasSubstr("brings together 10")));
  EXPECT_EQ(refusal(kSync, {"aggregate.kind=krum", "aggregate.byzantine=3"}), "");
  EXPECT_THAT(
      refusal({"aggregate.kind=trimmed-mean", "algorithm.kind=fedavg", "topology.graph=star",
               "algorithm.weighting=equal", "algorithm.participants=2"}),
      HasSubstr("brings together 2"));
  EXPECT_THAT(refusal({"aggregate.kind=medain"}), HasSubstr("did you mean median?"));
  EXPECT_THAT(refusal({"aggregate.byzantine=2"}), HasSubstr("belongs to aggregate.kind"));
}

TEST(Adversary, WhatCannotBeIsRefused) {
  const std::string flip = "adversary.kind=sign-flip:1";
  EXPECT_EQ(refusal(kSync, {flip, "adversary.count=9"}), "");
  EXPECT_EQ(refusal(kSync, {flip, "adversary.nodes=[1, 9]"}), "");
  EXPECT_EQ(refusal({flip, "adversary.nodes=[0]"}), "");
  EXPECT_THAT(refusal(kSync, {flip}), HasSubstr("adversary.nodes and adversary.count"));
  EXPECT_THAT(refusal(kSync, {flip, "adversary.count=1", "adversary.nodes=[3]"}),
              HasSubstr("set one of"));
  EXPECT_THAT(refusal(kSync, {"adversary.count=1"}), HasSubstr("adversary.kind"));
  EXPECT_THAT(refusal(kSync, {flip, "adversary.count=10"}), HasSubstr("9 at the most"));
  EXPECT_THAT(refusal(kSync, {flip, "adversary.nodes=[10]"}), HasSubstr("from 0 to 9"));
  EXPECT_THAT(refusal(kSync, {flip, "adversary.nodes=[1.5]"}), HasSubstr("whole numbers"));
  EXPECT_THAT(refusal(kSync, {flip, "adversary.nodes=[0]"}), HasSubstr("the hub"));
  EXPECT_THAT(refusal({flip, "adversary.count=1", "algorithm.kind=beer"}), HasSubstr("\"dpsgd\""));
  for (const char* kind : {"sign-flip", "sign-flip:0", "huge:-1", "noise:x", "nan:1", "evil:2"}) {
    EXPECT_THAT(
        refusal(kSync, {"adversary.kind=\"" + std::string(kind) + "\"", "adversary.count=1"}),
        HasSubstr("must be \"none\""))
        << kind;
  }
  EXPECT_THAT(refusal({flip, "adversary.count=1", "algorithm.order=cta"}), HasSubstr("\"atc\""));
  EXPECT_EQ(refusal({"adversary.kind=noise:1", "adversary.count=1", "algorithm.order=cta"}), "");
  EXPECT_THAT(refusal({flip, "adversary.count=1", "consensus.tolerance=0.01"}),
              HasSubstr("consensus.tolerance"));
  const std::vector<std::string> nan = {"adversary.kind=\"nan\"", "adversary.count=1"};
  EXPECT_EQ(refusal(nan, {"codec.kind=bf16"}), "");
  EXPECT_THAT(refusal(nan, {"codec.kind=qsgd:15"}), HasSubstr("\"fp16\""));
}

TEST(Adversary, TheSeedDrawsThemAndNeverNodeZero) {
  std::set<std::vector<NodeId>> drawn;
  for (int seed = 1; seed <= 40; ++seed) {
    const Job j =
        job({"adversary.kind=\"nan\"", "adversary.count=3", "job.seed=" + std::to_string(seed)});
    const std::vector<NodeId> nodes = adversaries_of(j, 10);
    ASSERT_EQ(nodes.size(), 3u);
    EXPECT_TRUE(std::ranges::is_sorted(nodes));
    EXPECT_EQ(std::set(nodes.begin(), nodes.end()).size(), 3u);
    EXPECT_GT(nodes[0], NodeId{0});
    EXPECT_LT(nodes[2], NodeId{10});
    EXPECT_EQ(nodes, adversaries_of(j, 10));
    drawn.insert(nodes);
  }
  EXPECT_GT(drawn.size(), 25u);  // of 84
  const Job all = job({"adversary.kind=\"nan\"", "adversary.count=9"});
  EXPECT_EQ(adversaries_of(all, 10).size(), 9u);
}

TEST(Adversary, TheOperatorIsTold) {
  const std::vector<std::string> keys = {"adversary.kind=huge:5", "adversary.nodes=[7, 3]"};
  EXPECT_THAT(job_notes(job(keys), 10),
              ElementsAre(AllOf(HasSubstr("2 of 10 nodes (3, 7)"), HasSubstr("huge:5"))));
  EXPECT_TRUE(job_notes(job({}), 10).empty());
}

// Node 1 of three on a complete graph, whose step has led to (1, 1).
struct One : OneNode {
  explicit One(const std::vector<std::string>& keys)
      : OneNode(parse_job(kJob, keys), 3, NodeId{1}, {.depth = 2}) {
    computed(values(1, 1));
  }

  SharedBuffer values(float a, float b) { return copy_of(std::vector<float>{a, b}, pool); }

  void hears(uint32_t from, float a, float b, uint64_t sequence = 1) {
    Message m;
    m.from = NodeId{from};
    m.to = NodeId{1};
    m.kind = 1;
    m.sequence = sequence;
    SharedBuffer wire = values(a, b);
    if (plan.codec->describe() == "bf16") {
      Buffer half = pool.acquire(4);
      std::memcpy(half.data(), wire.data() + 2, 2);
      std::memcpy(half.data() + 2, wire.data() + 6, 2);
      wire = std::move(half).freeze();
    }
    m.payload = std::move(wire);
    receive(std::move(m));
  }

  std::vector<float> x() const {
    const auto floats = node.state().parameters.floats();
    return {floats.begin(), floats.end()};
  }
};

TEST(NanGuard, LeavesTheVectorOutAndGoesOn) {
  for (const char* codec : {"identity", "bf16"}) {
    for (const float bad : {NAN, INFINITY, -INFINITY}) {
      SCOPED_TRACE(codec);
      One one({"aggregate.kind=median", std::string("codec.kind=") + codec});
      one.hears(0, 3, bad);
      EXPECT_EQ(one.refused(Reason::kLeftOut), 1u);
      EXPECT_EQ(one.body.reported, 0u);
      one.hears(2, 5, 7);
      EXPECT_EQ(one.body.reported, 1u);
      EXPECT_EQ(one.x(), (std::vector<float>{3, 4}));  // the median of two: (1, 1) and (5, 7)
    }
  }
}

// Whether a codec refuses such a wire by itself or lets it through.
TEST(NanGuard, LooksAtWhatEveryCodecHasToSay) {
  for (const char* codec : {"top-k:2", "rand-k:2", "threshold:0.5", "top-k:2 | bf16", "sign"}) {
    SCOPED_TRACE(codec);
    One one({"aggregate.kind=median", std::string("codec.kind=\"") + codec + '"'});
    Rng rng(1, NodeId{0}, Purpose::kTest);
    SharedBuffer wire;
    ASSERT_TRUE(one.plan.codec->encode(one.values(3, 4), rng, one.pool, wire).ok());
    Buffer forged = one.pool.acquire(wire.size());
    std::ranges::copy(wire.bytes(), forged.data());
    // The last value; of sign the scale, behind the count.
    std::byte* at =
        std::string(codec) == "sign" ? forged.data() + 4 : forged.data() + forged.size() - 4;
    std::memset(at + (codec == std::string("top-k:2 | bf16") ? 2 : 0), 0xff, 2);
    std::memset(at + 2, 0xff, 2);
    Message m;
    m.from = NodeId{0};
    m.to = NodeId{1};
    m.kind = 1;
    m.sequence = 1;
    m.payload = std::move(forged).freeze();
    one.node.handle(Received{std::move(m)}, Time{});
    EXPECT_EQ(one.refused(Reason::kLeftOut), 1u);
  }
}

TEST(NanGuard, UsesTheNumberUp) {
  One one({"aggregate.kind=median"});
  one.hears(0, NAN, 0);
  one.hears(0, 3, 3);  // the same number again
  EXPECT_EQ(one.refused(Reason::kDuplicate), 1u);
  one.hears(2, NAN, NAN);
  EXPECT_EQ(one.refused(Reason::kLeftOut), 2u);
  EXPECT_EQ(one.body.reported, 1u);
  EXPECT_EQ(one.x(), (std::vector<float>{1, 1}));
}

TEST(NanGuard, TheMeanLooksAtNothing) {
  One one({"aggregate.kind=mean"});
  one.hears(0, NAN, 0);
  one.hears(2, 5, 7);
  EXPECT_EQ(one.refused(Reason::kLeftOut), 0u);
  EXPECT_TRUE(std::isnan(one.x()[0]));
}

// What node 1 sends with x = (1, 1) and this [adversary].
std::vector<float> sent(const std::string& kind, const std::string& codec = "identity") {
  One one({"adversary.kind=\"" + kind + "\"", "adversary.nodes=[1]", "codec.kind=" + codec});
  EXPECT_EQ(one.body.sent.size(), 2u);
  EXPECT_EQ(one.node.state().parameters.floats()[0], 0);  // nothing of its own has changed
  std::vector<float> v(2);
  for (const Message& message : one.body.sent) {
    std::ranges::fill(v, 0.0f);
    EXPECT_TRUE(decode_add(*one.plan.codec, NodeId{1}, message.payload, 1, v, one.pool).ok());
  }
  return v;
}

TEST(Adversary, SendsWhatItsKindSays) {
  EXPECT_EQ(sent("sign-flip:3"), (std::vector<float>{-3, -3}));
  EXPECT_EQ(sent("huge:4"), (std::vector<float>{4, 4}));
  EXPECT_EQ(sent("huge:4", "bf16"), (std::vector<float>{4, 4}));
  EXPECT_EQ(sent("sign-flip:2", "sign"), (std::vector<float>{-2, -2}));
  for (const char* codec : {"identity", "fp16", "bf16"})
    EXPECT_TRUE(std::isnan(sent("nan", codec)[1]));
  EXPECT_EQ(sent("huge:1e30"), (std::vector<float>{1e30f, 1e30f}));
  EXPECT_GT(sent("huge:1e30", "fp16")[0], 30);  // as much as the codec can write
  const std::vector<float> noisy = sent("noise:2");
  EXPECT_NE(noisy[0], noisy[1]);
  EXPECT_EQ(noisy, sent("noise:2"));
}

}  // namespace
}  // namespace kith
