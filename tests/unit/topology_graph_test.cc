// What every graph promises (topology/graph.h, topology/registry.h), and each graph's definition.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <set>

#include "tests/unit/topology_cases.h"
#include "topology/reach.h"

namespace kith {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<uint32_t> in_of(const Graph& graph, uint32_t node) {
  std::vector<NodeId> peers = {NodeId{99}};  // must be replaced, not appended to
  graph.in(NodeId{node}, 0, peers);
  std::vector<uint32_t> ids;
  for (const NodeId peer : peers) ids.push_back(index_of(peer));
  return ids;
}

TEST(EveryGraph, ListsAreSortedWithoutSelfAndInRange) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    SCOPED_TRACE(label);
    std::vector<NodeId> peers;
    for (uint32_t i = 0; i < graph->nodes(); ++i) {
      for (const bool in : {true, false}) {
        in ? graph->in(NodeId{i}, 0, peers) : graph->out(NodeId{i}, 0, peers);
        EXPECT_TRUE(std::ranges::is_sorted(peers));
        EXPECT_EQ(std::ranges::adjacent_find(peers), peers.end());
        for (const NodeId peer : peers) EXPECT_LT(index_of(peer), graph->nodes());
        EXPECT_EQ(std::ranges::count(peers, NodeId{i}), 0);
      }
    }
  });
}

TEST(EveryGraph, WhoReceivesIsWhoSends) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    SCOPED_TRACE(label);
    std::set<std::pair<NodeId, NodeId>> received;
    std::set<std::pair<NodeId, NodeId>> sent;
    std::vector<NodeId> in;
    std::vector<NodeId> out;
    bool same = true;
    for (uint32_t i = 0; i < graph->nodes(); ++i) {
      graph->in(NodeId{i}, 0, in);
      graph->out(NodeId{i}, 0, out);
      same = same && in == out;
      for (const NodeId peer : in) received.insert({peer, NodeId{i}});
      for (const NodeId peer : out) sent.insert({NodeId{i}, peer});
    }
    EXPECT_EQ(received, sent);
    EXPECT_EQ(graph->undirected(), same);
  });
}

TEST(EveryGraph, IsConnected) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    SCOPED_TRACE(label);
    EXPECT_TRUE(connected(*graph));
  });
}

TEST(EveryGraph, IsUndirectedWhereItsRegistryEntrySaysSo) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    SCOPED_TRACE(label);
    if (find_graph(label.substr(0, label.find(' '))).undirected) {
      EXPECT_TRUE(graph->undirected());
    }
  });
}

TEST(EveryGraph, OneNodeAloneHasNoNeighbours) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    SCOPED_TRACE(label);
    if (graph->nodes() == 1) {
      EXPECT_THAT(in_of(*graph, 0), ElementsAre());
    }
  });
}

TEST(Registry, NamesAreUniqueWithDashes) {
  std::set<std::string> names;
  for (const GraphInfo* info : all_graphs()) {
    const std::string name = info->name;
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"), std::string::npos) << name;
    EXPECT_EQ(&find_graph(name), info);
    EXPECT_GT(std::string(info->help).size(), 10u) << name;
  }
}

TEST(Registry, RefusesAnUnknownNameAndNoNodes) {
  const std::string unknown = refusal([] { make_graph("moebius", 4); });
  EXPECT_THAT(unknown, HasSubstr("moebius"));
  for (const GraphInfo* info : all_graphs()) EXPECT_THAT(unknown, HasSubstr(info->name));
  EXPECT_THAT(refusal([] { make_graph("ring", 0); }), HasSubstr("1 node at least"));
}

TEST(Ring, JoinsTheNodesBeside) {
  const auto ring = make_graph("ring", 5);
  EXPECT_THAT(in_of(*ring, 0), ElementsAre(1, 4));
  EXPECT_THAT(in_of(*ring, 3), ElementsAre(2, 4));
  EXPECT_THAT(in_of(*make_graph("ring", 2), 0), ElementsAre(1));
}

TEST(Star, HubIsNodeZero) {
  const auto star = make_graph("star", 4);
  EXPECT_THAT(in_of(*star, 0), ElementsAre(1, 2, 3));
  EXPECT_THAT(in_of(*star, 2), ElementsAre(0));
}

TEST(Torus, WrapsRoundAndIsAsSquareAsCanBe) {
  // 12 = 3 x 4: node 5 stands in row 1, column 1.
  const auto torus = make_graph("torus", 12);
  EXPECT_THAT(in_of(*torus, 5), ElementsAre(1, 4, 6, 9));
  EXPECT_THAT(in_of(*torus, 0), ElementsAre(1, 3, 4, 8));
}

TEST(Torus, NeighboursOfShortSidesAreListedOnce) {
  EXPECT_THAT(in_of(*graph_with("torus", 4, {}), 0), ElementsAre(1, 2));     // 2 x 2
  EXPECT_THAT(in_of(*graph_with("torus", 6, {}), 0), ElementsAre(1, 2, 3));  // 2 x 3
  EXPECT_THAT(in_of(*graph_with("torus", 7, {}), 0), ElementsAre(1, 6));     // 1 x 7
  EXPECT_THAT(in_of(*graph_with("torus", 6, {{"columns", int64_t{1}}}), 0), ElementsAre(1, 5));
}

TEST(Torus, RefusesSidesThatDoNotHoldTheNodes) {
  const auto refused = [](int64_t rows, int64_t columns) {
    return refusal([&] { graph_with("torus", 16, {{"rows", rows}, {"columns", columns}}); });
  };
  EXPECT_THAT(refused(3, 5), HasSubstr("rows * columns must be the number of nodes"));
  EXPECT_THAT(refused(3, 0), HasSubstr("16 nodes"));
  EXPECT_THAT(refused(0, 32), HasSubstr("16 nodes"));
  EXPECT_THAT(refused(int64_t{1} << 31, int64_t{1} << 31), HasSubstr("16 nodes"));
  EXPECT_EQ(refused(2, 0), "");
  EXPECT_EQ(refused(2, 8), "");
}

// Assran et al. 2019: hops of powers of two; in-degree ceil(log2 N).
TEST(StaticExponential, HearsFromPowersOfTwoBefore) {
  EXPECT_THAT(in_of(*make_graph("static-exponential", 16), 0), ElementsAre(8, 12, 14, 15));
  EXPECT_THAT(in_of(*make_graph("static-exponential", 6), 5), ElementsAre(1, 3, 4));
  for (uint32_t nodes = 2; nodes < 70; ++nodes) {
    EXPECT_EQ(in_of(*make_graph("static-exponential", nodes), 0).size(),
              static_cast<size_t>(std::bit_width(nodes - 1)));
  }
}

TEST(EdgeList, ReadsCommentsBlanksAndRepeatedEdges) {
  const TextFile file("# triangle with a tail\n0 1\n\n1 2  # side\n  2\t0\r\n0 2\n2 3");
  const auto graph = graph_with("edge-list", 4, {{"file", file.path()}});
  EXPECT_THAT(in_of(*graph, 0), ElementsAre(1, 2));
  EXPECT_THAT(in_of(*graph, 2), ElementsAre(0, 1, 3));
}

TEST(EdgeList, NamesFileAndLineOfWhatIsWrong) {
  const auto refused = [](const std::string& text) {
    const TextFile file(text);
    const std::string sentence = refusal([&] {
      graph_with("edge-list", 3, {{"file", file.path()}});
    });
    EXPECT_THAT(sentence, HasSubstr(file.path()));
    return sentence;
  };
  EXPECT_THAT(refused("0 1\n1 3\n"), HasSubstr(":2: node 3 does not exist"));
  EXPECT_THAT(refused("0 1\n1 99999999999999999999999\n"), HasSubstr(":2: node 9999999"));
  EXPECT_THAT(refused("0 1\n1 -2\n"), HasSubstr(":2: \"-2\" is not a node"));
  EXPECT_THAT(refused("0 1.5\n"), HasSubstr(":1: \"1.5\" is not a node"));
  EXPECT_THAT(refused("# only\n0\n"), HasSubstr(":2: only one word"));
  EXPECT_THAT(refused("0 1 0.5\n"), HasSubstr(":1: a third column (\"0.5\")"));
  EXPECT_THAT(refused("0 1\n1 1\n"), HasSubstr(":2: joins node 1 to itself"));
  EXPECT_THAT(refused("0 1\n"), HasSubstr("no path leads from node 0 to node 2"));
  EXPECT_THAT(refused(""), HasSubstr("not connected"));
}

TEST(EdgeList, RefusesAMissingFile) {
  EXPECT_THAT(refusal([] { graph_with("edge-list", 3, {}); }), HasSubstr("needs the key file"));
  EXPECT_THAT(refusal([] {
                graph_with("edge-list", 3, {{"file", "/nowhere/at.all"}});
              }),
              HasSubstr("cannot read file \"/nowhere/at.all\""));
}

}  // namespace
}  // namespace kith
