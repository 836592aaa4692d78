// What two runs differ in, told to an operator; what comes from elsewhere is not trusted.
#include <gtest/gtest.h>

#include <cstring>

#include "daemon/real/introduction.h"

namespace kith {
namespace {

control::StartRequest start(const std::string& job, uint32_t nodes = 4) {
  control::StartRequest request;
  request.job = job;
  request.nodes = nodes;
  return request;
}

std::string between(const control::StartRequest& ours, const std::string& theirs) {
  return difference(ours, std::as_bytes(std::span(theirs.data(), theirs.size())));
}

const char* const kData = "784 features, 10 classes";
const char* const kJob = "[train]\nbatch = 32\nlearning_rate = 0.1\n[stop]\nrounds = 5\n";

TEST(Introduction, TellsWhatDiffers) {
  const control::StartRequest ours = start(kJob);
  EXPECT_EQ(between(ours, introduction_of(ours, kData)), "it is another start of the same job");
  EXPECT_EQ(between(ours, introduction_of(start(kJob, 5), kData)),
            "the run has 4 nodes here and 5 there");
  EXPECT_EQ(between(ours, introduction_of(start("[train]\nbatch = 64\nmomentum = 0.9\n"
                                                "learning_rate = 0.1\n[stop]\nrounds = 5\n"),
                                          kData)),
            "train.batch is 32 here and 64 there; train.momentum is not set here and 0.9 there");
  EXPECT_EQ(between(ours, introduction_of(start("[job]\nname = \"x\"\n", 2), kData)),
            "the run has 4 nodes here and 2 there; job.name is not set here and \"x\" there; "
            "stop.rounds is 5 here and not set there; and 2 more");
}

TEST(Introduction, KnowsNothingOfNonsense) {
  const control::StartRequest ours = start(kJob);
  for (const std::string& theirs :
       {std::string(), std::string("nodes"), std::string("nodes x\n[train]\n"),
        std::string("nodes 4\nrun x\n"), std::string("nodes 4\nrun 1\n[train]\n"),
        std::string("nodes 4\nrun 1\ndata d\n[train\n"), std::string("nodes 4\n\x01\xff"),
        std::string(1'000'000, 'n')}) {
    EXPECT_EQ(between(ours, theirs), "") << theirs.substr(0, 20);
  }
  EXPECT_EQ(between(ours, introduction_of(start(std::string(100'000, ' ')), kData)), "");
  const std::string long_text = between(
      ours, introduction_of(start("[train]\nbatch = \"" + std::string(5000, 'x') + "\"\n"), kData));
  EXPECT_LT(long_text.size(), 400u);
  EXPECT_EQ(
      between(ours, introduction_of(start("[job]\nname = \"a\\nb\"\n" + std::string(kJob)), kData)),
      "job.name is not set here and \"a b\" there");
}

// Of the same run of the same job; that of another run says nothing of this one.
TEST(Introduction, TellsOtherData) {
  const auto told = [](const control::StartRequest& theirs, const std::string& data) {
    const std::string text = introduction_of(theirs, data);
    return other_data(start(kJob), kData, std::as_bytes(std::span(text.data(), text.size())));
  };
  EXPECT_EQ(told(start(kJob), "64 features, 10 classes"), "64 features, 10 classes");
  EXPECT_EQ(told(start(kJob), kData), "");
  EXPECT_EQ(told(start(kJob, 5), "64 features, 10 classes"), "");
  control::StartRequest again = start(kJob);
  again.run = 8;
  EXPECT_EQ(told(again, "64 features, 10 classes"), "");
  EXPECT_EQ(told(start(kJob), "a\x1b[2Jb"), "a [2Jb");
  EXPECT_EQ(other_data(start(kJob), kData, {}), "");
}

}  // namespace
}  // namespace kith
