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

// A period, but no more than the first rounds of one that never repeats.
Round rounds_tried(const Graph& graph) { return std::min<Round>(rounds_shown(graph), 20); }

TEST(EveryGraph, ListsAreSortedWithoutSelfAndInRange) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    SCOPED_TRACE(label);
    std::vector<NodeId> peers;
    for (Round round = 0; round < rounds_tried(*graph); ++round) {
      for (uint32_t i = 0; i < graph->nodes(); ++i) {
        for (const bool in : {true, false}) {
          in ? graph->in(NodeId{i}, round, peers) : graph->out(NodeId{i}, round, peers);
          EXPECT_TRUE(std::ranges::is_sorted(peers));
          EXPECT_EQ(std::ranges::adjacent_find(peers), peers.end());
          for (const NodeId peer : peers) EXPECT_LT(index_of(peer), graph->nodes());
          EXPECT_EQ(std::ranges::count(peers, NodeId{i}), 0);
        }
      }
    }
  });
}

TEST(EveryGraph, WhoReceivesIsWhoSends) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    SCOPED_TRACE(label);
    std::vector<NodeId> in;
    std::vector<NodeId> out;
    bool same = true;
    for (Round round = 0; round < rounds_tried(*graph); ++round) {
      std::set<std::pair<NodeId, NodeId>> received;
      std::set<std::pair<NodeId, NodeId>> sent;
      for (uint32_t i = 0; i < graph->nodes(); ++i) {
        graph->in(NodeId{i}, round, in);
        graph->out(NodeId{i}, round, out);
        same = same && in == out;
        for (const NodeId peer : in) received.insert({peer, NodeId{i}});
        for (const NodeId peer : out) sent.insert({NodeId{i}, peer});
      }
      EXPECT_EQ(received, sent);
    }
    EXPECT_EQ(graph->undirected(), same);
  });
}

TEST(EveryGraph, IsConnected) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    SCOPED_TRACE(label);
    EXPECT_TRUE(connected(*graph));
  });
}

TEST(EveryGraph, RepeatsAfterItsPeriodOrKeepsItsDegrees) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    SCOPED_TRACE(label);
    const Round period = graph->period();
    const bool repeats = period != kNeverRepeats;
    std::vector<NodeId> first;
    std::vector<NodeId> later;
    for (Round round = 0; round < rounds_tried(*graph); ++round) {
      for (uint32_t i = 0; i < graph->nodes(); ++i) {
        graph->in(NodeId{i}, repeats ? round : 0, first);
        graph->in(NodeId{i}, repeats ? round + 1000 * period : round, later);
        EXPECT_EQ(first.size(), later.size());
        EXPECT_TRUE(!repeats || first == later);
      }
    }
  });
}

TEST(EveryGraph, ItsWeightsAreThoseOfItsInNeighbours) {
  for_each_graph([](const std::string& label, std::shared_ptr<const Graph> graph) {
    SCOPED_TRACE(label);
    if (!graph->weighted()) return;
    std::vector<NodeId> in;
    for (Round round = 0; round < rounds_tried(*graph); ++round) {
      for (uint32_t i = 0; i < graph->nodes(); ++i) {
        std::vector<Neighbor> row = {{NodeId{99}, 2.0f}};  // must be replaced
        graph->weights(NodeId{i}, round, row);
        graph->in(NodeId{i}, round, in);
        ASSERT_EQ(row.size(), in.size());
        for (size_t k = 0; k < in.size(); ++k) {
          EXPECT_EQ(row[k].peer, in[k]);
          EXPECT_GT(row[k].weight, 0);
        }
      }
    }
  });
}

TEST(EveryGraph, IsAFunctionOfTheSeedWhereItIsDrawn) {
  for (const GraphInfo* info : all_graphs()) {
    const std::string name = info->name;
    if (!drawn_from_seed(name)) continue;
    SCOPED_TRACE(name);
    const auto lists = [&](uint64_t seed) {
      const auto graph = make_graph(name, 60, seed);
      std::vector<std::vector<uint32_t>> all;
      for (uint32_t i = 0; i < 60; ++i) all.push_back(in_of(*graph, i));
      return all;
    };
    EXPECT_EQ(lists(5), lists(5));
    EXPECT_NE(lists(5), lists(6));
  }
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
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"), std::string::npos)
        << name;
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

TEST(Registry, NotesWhatIsLessThanTheNamePromises) {
  const auto note = [](const std::string& name, uint32_t nodes) {
    return graph_note(name, nodes, graph_options(name, {}));
  };
  for (const uint32_t nodes : {1u, 2u, 4u, 64u}) EXPECT_EQ(note("one-peer-exponential", nodes), "");
  EXPECT_THAT(note("one-peer-exponential", 6), HasSubstr("4 or 8 nodes"));
  EXPECT_THAT(note("one-peer-exponential", 9), HasSubstr("8 or 16 nodes"));
  EXPECT_EQ(note("ring", 6), "");
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

TEST(Torus, HasAThirdDimension) {
  // 24 = 2 x 3 x 4: node 17 stands in layer 1, row 1, column 1.
  const auto torus = graph_with("torus", 24, {{"layers", int64_t{2}}});
  EXPECT_THAT(in_of(*torus, 17), ElementsAre(5, 13, 16, 18, 21));
  EXPECT_THAT(in_of(*graph_with("torus", 27, {{"layers", int64_t{0}}}), 0),
              ElementsAre(1, 2, 3, 6, 9, 18));  // 3 x 3 x 3
  EXPECT_THAT(in_of(*graph_with("torus", 7, {{"layers", int64_t{0}}}), 0), ElementsAre(1, 6));
  EXPECT_THAT(refusal([] {
                graph_with("torus", 24, {{"layers", int64_t{5}}});
              }),
              HasSubstr("layers = 2 would do"));
  EXPECT_THAT(refusal([] {
                graph_with("torus", 24, {{"layers", int64_t{2}}, {"rows", int64_t{5}}});
              }),
              HasSubstr("in each layer: no grid with rows = 5 and columns = 0 holds 12 nodes"));
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

TEST(Path, EndsHaveOneNeighbour) {
  const auto path = make_graph("path", 5);
  EXPECT_THAT(in_of(*path, 0), ElementsAre(1));
  EXPECT_THAT(in_of(*path, 2), ElementsAre(1, 3));
  EXPECT_THAT(in_of(*path, 4), ElementsAre(3));
}

TEST(DirectedRing, HearsFromTheOneBefore) {
  const auto ring = make_graph("directed-ring", 4);
  EXPECT_THAT(in_of(*ring, 0), ElementsAre(3));
  EXPECT_THAT(in_of(*ring, 3), ElementsAre(2));
}

TEST(Grid, HasARim) {
  const auto grid = make_graph("grid", 12);  // 3 x 4
  EXPECT_THAT(in_of(*grid, 0), ElementsAre(1, 4));
  EXPECT_THAT(in_of(*grid, 5), ElementsAre(1, 4, 6, 9));
  EXPECT_THAT(in_of(*grid, 7), ElementsAre(3, 6, 11));
  EXPECT_THAT(refusal([] {
                graph_with("grid", 12, {{"rows", int64_t{5}}});
              }),
              HasSubstr("grid: no grid with rows = 5"));
}

TEST(Hypercube, NeighboursDifferInOneDigit) {
  EXPECT_THAT(in_of(*make_graph("hypercube", 8), 5), ElementsAre(1, 4, 7));
  EXPECT_THAT(refusal([] { make_graph("hypercube", 6); }), HasSubstr("start 4 or 8"));
  EXPECT_THAT(refusal([] { make_graph("hypercube", 33); }), HasSubstr("start 32 or 64"));
}

TEST(BinaryTree, ParentAndChildren) {
  const auto tree = make_graph("binary-tree", 6);
  EXPECT_THAT(in_of(*tree, 0), ElementsAre(1, 2));
  EXPECT_THAT(in_of(*tree, 1), ElementsAre(0, 3, 4));
  EXPECT_THAT(in_of(*tree, 2), ElementsAre(0, 5));
  EXPECT_THAT(in_of(*tree, 5), ElementsAre(2));
}

TEST(Barbell, TwoCliquesAndABridge) {
  const auto barbell = make_graph("barbell", 8);
  EXPECT_THAT(in_of(*barbell, 0), ElementsAre(1, 2, 3));
  EXPECT_THAT(in_of(*barbell, 3), ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(in_of(*barbell, 4), ElementsAre(3, 5, 6, 7));
  EXPECT_THAT(in_of(*barbell, 7), ElementsAre(4, 5, 6));
  EXPECT_THAT(in_of(*make_graph("barbell", 3), 1), ElementsAre(0, 2));
}

// (1, 2) on Z_5 x Z_5 is node 7: x +- 4 and x +- 5 (a loop twice), y +- 2 and y +- 3.
TEST(Margulis, FollowsTheEightMaps) {
  const auto graph = make_graph("margulis", 25);
  EXPECT_THAT(in_of(*graph, 7), ElementsAre(2, 5, 9, 12));
  std::vector<Neighbor> row;
  graph->weights(NodeId{7}, 0, row);
  // (1, 4) is y + 2 and y - 3, (1, 0) is y - 2 and y + 3; (0, 2) is x + 4, (2, 2) is x - 4.
  ASSERT_EQ(row.size(), 4u);
  EXPECT_FLOAT_EQ(row[0].weight, 1.0f / 9);
  EXPECT_FLOAT_EQ(row[1].weight, 2.0f / 9);
  EXPECT_FLOAT_EQ(row[2].weight, 2.0f / 9);
  EXPECT_FLOAT_EQ(row[3].weight, 1.0f / 9);
  EXPECT_THAT(refusal([] { make_graph("margulis", 8); }), HasSubstr("start 4 or 9"));
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
  EXPECT_THAT(refused("0 1 half\n"), HasSubstr(":1: \"half\" is not a weight"));
  EXPECT_THAT(refused("0 1 nan\n"), HasSubstr(":1: \"nan\" is not a weight"));
  EXPECT_THAT(refused("0 1 0\n"), HasSubstr(":1: \"0\" is not a weight"));
  EXPECT_THAT(refused("0 1 1.5\n"), HasSubstr(":1: \"1.5\" is not a weight"));
  EXPECT_THAT(refused("0 1 0.5 0.5\n"), HasSubstr(":1: a fourth column (\"0.5\")"));
  EXPECT_THAT(refused("0 1 0.5\n1 2\n"), HasSubstr(":2: has no weight"));
  EXPECT_THAT(refused("0 1\n1 2 0.5\n"), HasSubstr(":2: has a weight"));
  EXPECT_THAT(refused("0 1 0.5\n1 0 0.4\n"), HasSubstr("the edge 0 1 has two weights"));
  EXPECT_THAT(refused("0 1 0.5\n1 2 0.6\n"), HasSubstr("of what node 1 hears sum to 1.1"));
  EXPECT_THAT(refused("0 1\n1 1\n"), HasSubstr(":2: joins node 1 to itself"));
  EXPECT_THAT(refused("0 1\n"), HasSubstr("no path leads from node 0 to node 2"));
  EXPECT_THAT(refused(""), HasSubstr("not connected"));
}

TEST(EdgeList, TakesWeightsBothWays) {
  const TextFile file("0 1 0.25\n1 0 0.25\n2 1 0.75\n");
  const auto graph = graph_with("edge-list", 3, {{"file", file.path()}});
  EXPECT_TRUE(graph->weighted());
  EXPECT_TRUE(graph->undirected());
  std::vector<Neighbor> row;
  graph->weights(NodeId{1}, 0, row);
  ASSERT_EQ(row.size(), 2u);
  EXPECT_EQ(row[0].weight, 0.25f);
  EXPECT_EQ(row[1].weight, 0.75f);
}

TEST(EdgeList, DirectedTellsOneWayAlone) {
  const TextFile file("0 1\n1 2\n2 0\n0 2\n");
  const auto graph = graph_with("edge-list", 3, {{"file", file.path()}, {"directed", true}});
  EXPECT_FALSE(graph->undirected());
  EXPECT_FALSE(graph->weighted());
  EXPECT_THAT(in_of(*graph, 0), ElementsAre(2));
  EXPECT_THAT(in_of(*graph, 2), ElementsAre(0, 1));
  std::vector<NodeId> out;
  graph->out(NodeId{0}, 0, out);
  EXPECT_EQ(out, (std::vector<NodeId>{NodeId{1}, NodeId{2}}));
  // Every arc both ways is an undirected graph, unless the weights differ.
  const TextFile both("0 1\n1 0\n");
  EXPECT_TRUE(
      graph_with("edge-list", 2, {{"file", both.path()}, {"directed", true}})->undirected());
  const TextFile uneven("0 1 0.5\n1 2 0.5\n2 0 0.5\n1 0 0.25\n2 1 0.25\n0 2 0.25\n");
  EXPECT_FALSE(
      graph_with("edge-list", 3, {{"file", uneven.path()}, {"directed", true}})->undirected());
}

TEST(EdgeList, DirectedRefusesWhatDriftsOrCannotReturn) {
  const auto refused = [](const std::string& text) {
    const TextFile file(text);
    return refusal([&] {
      graph_with("edge-list", 3, {{"file", file.path()}, {"directed", true}});
    });
  };
  EXPECT_THAT(refused("0 1 0.5\n1 2 0.25\n2 0 0.5\n"),
              HasSubstr("of what node 1 hears sum to 0.5, of what it says to 0.25"));
  EXPECT_THAT(refused("0 1\n1 2\n"), HasSubstr("no path leads from node 1 to node 0"));
  EXPECT_THAT(refused("0 1\n1 0\n2 0\n"), HasSubstr("no path leads from node 0 to node 2"));
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
