// Options: defaults, conversions, and sentences that name the key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/topology_cases.h"
#include "topology/options.h"

namespace kith {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Type = OptionSpec::Type;

OptionSpecs specs() {
  return {{"steps", Type::kInteger, int64_t{3}, "local steps", 1, 10},
          {"rate", Type::kNumber, 0.5, "learning rate", 0, 1},
          {"order", Type::kText, std::string("atc"), "order", 0, 0, {"atc", "cta"}},
          {"drops", Type::kNumbers, std::vector<double>{}, "rounds of decay", 0, 100},
          {"fast", Type::kFlag, false, "skip checks"}};
}

std::string refused(const std::map<std::string, OptionValue>& given) {
  return refusal([&] { Options("train", specs(), given); });
}

TEST(Options, FillsInWhatIsAbsent) {
  const Options options("train", specs(), {{"fast", true}});
  EXPECT_EQ(options.integer("steps"), 3);
  EXPECT_EQ(options.number("rate"), 0.5);
  EXPECT_EQ(options.text("order"), "atc");
  EXPECT_TRUE(options.numbers("drops").empty());
  EXPECT_TRUE(options.flag("fast"));
}

TEST(Options, AnIntegerServesAsANumberAndANumberAsAList) {
  const Options options("train", specs(), {{"rate", int64_t{1}}, {"drops", 2.5}});
  EXPECT_EQ(options.number("rate"), 1.0);
  EXPECT_EQ(options.numbers("drops"), std::vector<double>{2.5});
}

TEST(Options, RefusesWithTheKeyAndWhatWouldWork) {
  EXPECT_THAT(refused({{"step", int64_t{1}}}),
              AllOf(HasSubstr("train.step"), HasSubstr("steps, ")));
  EXPECT_THAT(refused({{"steps", 1.5}}), AllOf(HasSubstr("train.steps"), HasSubstr("integer")));
  EXPECT_THAT(refused({{"steps", int64_t{11}}}), HasSubstr("between 1 and 10"));
  EXPECT_THAT(refused({{"rate", std::nan("")}}), HasSubstr("train.rate"));
  EXPECT_THAT(refused({{"drops", std::vector<double>{1, 101}}}), HasSubstr("train.drops is 101"));
  EXPECT_THAT(refused({{"order", std::string("act")}}), HasSubstr("\"atc\" \"cta\""));
  EXPECT_THAT(refused({{"fast", int64_t{1}}}), HasSubstr("true or false"));
}

TEST(Options, TextIsAsInAJobFile) {
  EXPECT_EQ(to_text(true), "true");
  EXPECT_EQ(to_text(int64_t{-4}), "-4");
  EXPECT_EQ(to_text(0.1), "0.1");
  EXPECT_EQ(to_text(std::string("atc")), "\"atc\"");
  EXPECT_EQ(to_text(std::vector<double>{1, 2.5}), "[1, 2.5]");
}

}  // namespace
}  // namespace kith
