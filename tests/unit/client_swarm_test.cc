// Who of a swarm gets which NodeId, and how it is shown.
#include <gtest/gtest.h>

#include "client/swarm.h"
#include "client/view/text_table.h"
#include "topology/error.h"

namespace kith {
namespace {

control::NodesReply swarm_of(std::initializer_list<std::pair<const char*, swarm::State>> members) {
  control::NodesReply reply;
  reply.swarm = "lab";
  for (const auto& [address, state] : members) {
    reply.nodes.push_back({.address = address,
                           .state = state,
                           .seconds = 0,
                           .incarnation = 0,
                           .name = {},
                           .version = {},
                           .key = {}});
  }
  return reply;
}

TEST(Swarm, TheLivingInTheOrderOfTheirAddresses) {
  using swarm::State;
  const control::NodesReply swarm = swarm_of({{"10.0.0.7:7400", State::kAlive},
                                              {"10.0.0.5:7400", State::kAlive},
                                              {"10.0.0.6:7400", State::kDead},
                                              {"10.0.0.8:7400", State::kSuspect},
                                              {"10.0.0.9:7400", State::kLeft}});
  const std::vector<std::string> all = {"10.0.0.5:7400", "10.0.0.7:7400"};
  EXPECT_EQ(living(swarm, 0), all);
  EXPECT_EQ(living(swarm, 2), all);
  EXPECT_EQ(living(swarm, 1), std::vector<std::string>{"10.0.0.5:7400"});
  EXPECT_THROW(living(swarm, 3), OperatorError);
}

TEST(Swarm, ARunHasAName) { EXPECT_EQ(run_name("ring", 0x0123456789abcdefull), "ring-01234567"); }

TEST(TextTable, ColumnsAreAsWideAsTheirWidestCell) {
  TextTable table({"a", "name", "x"});
  table.add({"1", "-", "5"});
  table.add({"22222", "n\u00e9", ""});
  EXPECT_EQ(table.text(),
            "  a      name  x\n"
            "  1      -     5\n"
            "  22222  n\u00e9\n");
}

}  // namespace
}  // namespace kith
