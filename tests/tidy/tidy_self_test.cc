// A rule that cannot fail is no rule: each is shown text that breaks it and text that does not.
#include <gtest/gtest.h>

#include "tests/tidy/rules.h"
#include "tests/tidy/text.h"

namespace kith::tidy {
namespace {

using Strings = std::vector<std::string>;

size_t include_findings(std::string_view path, const std::string& include) {
  return check_includes(path, "#include " + include + "\n", {"sync", "dpsgd"}).size();
}

TEST(TidyText, MaskingKeepsLinesAndColumns) {
  const std::string text = "int a; // std::cout\nauto s = \"std::cout\"; /* x\ny */ f();\n";
  EXPECT_EQ(masked(text, Keep::kCode),
            "int a;             \nauto s = \"         \";     \n     f();\n");
  EXPECT_EQ(masked(text, Keep::kCodeAndStrings),
            "int a;             \nauto s = \"std::cout\";     \n     f();\n");
  EXPECT_EQ(masked(text, Keep::kAllButStrings),
            "int a; // std::cout\nauto s = \"         \"; /* x\ny */ f();\n");
}

TEST(TidyText, MaskingKnowsEscapesSeparatorsAndRawStrings) {
  EXPECT_EQ(masked("f(\"\\\"//\"); g('\"', 1'000); h();", Keep::kCode),
            "f(\"    \"); g(' ', 1'000); h();");
  EXPECT_EQ(masked("R\"x(\")y\")x\" + k", Keep::kCode), "R\"        \" + k");
}

TEST(TidyText, ColumnsAreCharacters) {
  EXPECT_EQ(columns("abc"), 3u);
  EXPECT_EQ(columns("\xCE\xB6 = 1"), 5u);
}

TEST(TidyText, WordsStandAlone) {
  EXPECT_TRUE(has_word("x = rand();", "rand"));
  EXPECT_FALSE(has_word("x = operand();", "rand"));
  EXPECT_FALSE(has_word("x = rand_k();", "rand"));
}

TEST(TidyText, FunctionsAreFoundByTheirBraces) {
  const Functions read = functions_of(
      "namespace a {\n"
      "constexpr int kTable[] = {1, 2};\n"
      "#define BROKEN {\n"
      "template <class T>\n"
      "void first(T x = {}) {\n"
      "  if (x) { g(); }\n"
      "}\n"
      "class C : public B {\n"
      " public:\n"
      "  C() : a_{1}, b_(2), c_{3} { h(); }\n"
      "  int size() const override {\n"
      "    return 1;\n"
      "  }\n"
      "  int a_{1};\n"
      "};\n"
      "extern \"C\" int entry(int x) {\n"
      "  return x;\n"
      "}\n"
      "}  // namespace a\n");
  ASSERT_TRUE(read.balanced);
  Strings names;
  std::vector<size_t> lengths;
  for (const Function& function : read.found) {
    names.push_back(function.name);
    lengths.push_back(function.lines);
  }
  EXPECT_EQ(names, (Strings{"void first", "C", "int size", "extern \" \" int entry"}));
  EXPECT_EQ(lengths, (std::vector<size_t>{4, 1, 3, 3}));
  EXPECT_EQ(read.found[0].first_line, 4u);
}

TEST(TidyText, BracesThatDoNotMatchAreSeen) {
  EXPECT_FALSE(functions_of("void f() {\n").balanced);
  EXPECT_FALSE(functions_of("void f() {}\n}\n").balanced);
  EXPECT_TRUE(functions_of("void f() {}\n").balanced);
}

TEST(TidyRules, LayersIncludeOnlyWhatIsBelowThem) {
  EXPECT_EQ(include_findings("topology/graph.cc", "\"protocol/rng.h\""), 1u);
  EXPECT_EQ(include_findings("topology/graph.cc", "\"topology/types.h\""), 0u);
  EXPECT_EQ(include_findings("protocol/rng.cc", "\"daemon/node.h\""), 1u);
  EXPECT_EQ(include_findings("protocol/rng.cc", "\"topology/types.h\""), 0u);
  EXPECT_EQ(include_findings("daemon/node.cc", "\"client/connection.h\""), 1u);
  EXPECT_EQ(include_findings("daemon/node.cc", "\"protocol/wire.h\""), 0u);
  EXPECT_EQ(include_findings("client/main.cc", "\"daemon/real/zmq_transport.h\""), 1u);
  EXPECT_EQ(include_findings("client/main.cc", "\"daemon/node.h\""), 1u);
  EXPECT_EQ(include_findings("client/main.cc", "\"daemon/job.h\""), 0u);
  EXPECT_EQ(include_findings("client/main.cc", "\"daemon/sim/simulator.h\""), 0u);
  EXPECT_EQ(include_findings("client/main.cc", "\"daemon/trust/identity.h\""), 0u);
  EXPECT_EQ(include_findings("protocol/rng.cc", "\"rng.h\""), 1u) << "not from the root";
  EXPECT_EQ(include_findings("protocol/kernels.cc", "\"hwy/highway.h\""), 0u);
  EXPECT_EQ(include_findings("tests/unit/sim_test.cc", "\"daemon/sim/simulator.h\""), 0u);
}

TEST(TidyRules, TheTwoBodiesNeverSeeEachOther) {
  EXPECT_EQ(include_findings("daemon/real/loop.cc", "\"daemon/sim/faults.h\""), 1u);
  EXPECT_EQ(include_findings("daemon/sim/faults.cc", "\"daemon/real/loop.h\""), 1u);
  EXPECT_EQ(include_findings("daemon/sim/faults.cc", "\"daemon/node.h\""), 0u);
}

TEST(TidyRules, AlgorithmsKnowNoCodecNoWireAndNoOtherAlgorithm) {
  EXPECT_EQ(include_findings("protocol/algorithm/sync.cc", "\"protocol/codec/top_k.h\""), 1u);
  EXPECT_EQ(include_findings("protocol/algorithm/sync.cc", "\"protocol/codec.h\""), 0u);
  EXPECT_EQ(include_findings("protocol/algorithm/sync.cc", "\"protocol/wire.h\""), 1u);
  EXPECT_EQ(include_findings("protocol/algorithm/sync.cc", "\"protocol/control.h\""), 1u);
  EXPECT_EQ(include_findings("protocol/algorithm/sync.cc", "\"protocol/algorithm/dpsgd.h\""), 1u);
  EXPECT_EQ(include_findings("protocol/algorithm/sync.cc", "\"protocol/algorithm/sync.h\""), 0u);
  EXPECT_EQ(include_findings("protocol/algorithm/sync.cc", "\"protocol/algorithm/help.h\""), 0u);
}

TEST(TidyRules, HeavyHeadersStayInTheirPlaces) {
  EXPECT_EQ(include_findings("daemon/real/loop.cc", "<asio.hpp>"), 0u);
  EXPECT_EQ(include_findings("daemon/node.cc", "<asio/steady_timer.hpp>"), 1u);
  EXPECT_EQ(include_findings("daemon/sim/simulator.cc", "<zmq.hpp>"), 1u);
  EXPECT_EQ(include_findings("client/connection.cc", "<zmq.hpp>"), 0u);
  EXPECT_EQ(include_findings("client/connection.h", "<zmq.hpp>"), 1u);
  EXPECT_EQ(include_findings("protocol/wire.cc", "<msgpack.hpp>"), 0u);
  EXPECT_EQ(include_findings("daemon/node.cc", "<msgpack.hpp>"), 1u);
  EXPECT_EQ(include_findings("protocol/theory/error.cc", "<Eigen/Dense>"), 0u);
  EXPECT_EQ(include_findings("protocol/theory/error.h", "<Eigen/Dense>"), 1u);
  EXPECT_EQ(include_findings("protocol/algorithm/sync.cc", "<Eigen/Dense>"), 1u);
  EXPECT_EQ(include_findings("daemon/node.cc", "<dnnl.hpp>"), 1u);
  EXPECT_EQ(include_findings("daemon/job.h", "<toml++/toml.h>"), 1u);
  EXPECT_EQ(include_findings("protocol/options.cc", "<nlohmann/json.hpp>"), 1u);
}

TEST(TidyRules, IncludesInCommentsDoNotCount) {
  EXPECT_TRUE(check_includes("topology/a.cc", "// #include \"daemon/node.h\"\n", {}).empty());
}

TEST(TidyRules, DeterministicFoldersHaveBans) {
  for (const char* text :
       {"auto t = std::chrono::steady_clock::now();\n", "std::chrono::system_clock::now();\n",
        "std::random_device d;\n", "#include <random>\n", "std::unordered_map<int, int> m;\n",
        "std::unordered_set<int> s;\n", "std::thread t(f);\n", "getenv(\"X\");\n",
        "std::cout << 1;\n", "#include <thread>\n"}) {
    EXPECT_EQ(check_bans("protocol/a.cc", text).size(), 1u) << text;
    EXPECT_EQ(check_bans("topology/a.h", text).size(), 1u) << text;
    EXPECT_EQ(check_bans("daemon/a.cc", text).size(), 0u) << text;
  }
  EXPECT_TRUE(check_bans("protocol/a.cc", "// no std::thread here\n").empty());
  EXPECT_TRUE(check_bans("protocol/a.cc", "f(\"getenv\");\n").empty());
  EXPECT_NE(check_bans("protocol/a.cc", "std::random_device d;\n")[0].what.find("topology/rng.h"),
            std::string::npos);
}

TEST(TidyRules, Layout) {
  EXPECT_TRUE(check_layout("daemon/a.cc", std::string(100, 'x') + "\n").empty());
  EXPECT_EQ(check_layout("daemon/a.cc", std::string(101, 'x') + "\n").size(), 1u);
  EXPECT_EQ(check_layout("quickstart", std::string(101, 'x') + "\n").size(), 1u);
  EXPECT_TRUE(check_layout("README.md", std::string(101, 'x') + "\n").empty());
  EXPECT_EQ(check_layout("README.md", "a\tb\n").size(), 1u);
  EXPECT_EQ(check_layout("README.md", "a \n").size(), 1u);
  EXPECT_EQ(check_layout("daemon/a.cc", "a").size(), 1u);
}

TEST(TidyRules, HeadersAreGuardedAndWorkIsFinished) {
  EXPECT_EQ(check_marks("daemon/a.h", "int a;\n").size(), 1u);
  EXPECT_EQ(check_marks("daemon/a.h", "// #pragma once\n").size(), 1u);
  EXPECT_TRUE(check_marks("daemon/a.h", "// A.\n#pragma once\n").empty());
  EXPECT_TRUE(check_marks("daemon/a-inl.h", "// Once for each target.\n").empty());
  EXPECT_TRUE(check_marks("daemon/a.cc", "int a;\n").empty());
  for (const std::string_view word : kUnfinished) {
    const std::string line = "// " + std::string(word) + ": later\n";
    EXPECT_EQ(check_marks("daemon/a.cc", line).size(), 1u);
  }
}

std::string function_of(size_t lines) {
  std::string text = "void f() {\n";
  for (size_t i = 2; i < lines; ++i) text += "  g();\n";
  return text + "}\n";
}

TEST(TidyRules, FunctionsAreShortAndTheListOfExceptionsShrinks) {
  const Tree at_limit = {{"daemon/a.cc", function_of(70)}};
  const Tree over = {{"daemon/a.cc", function_of(71)}};
  EXPECT_TRUE(check_functions(at_limit, {}).empty());
  EXPECT_EQ(check_functions(over, {}).size(), 1u);
  EXPECT_TRUE(check_functions(over, {{"daemon/a.cc:void f", 71}}).empty());
  EXPECT_EQ(check_functions(over, {{"daemon/a.cc:void f", 80}}).size(), 1u) << "it has shrunk";
  EXPECT_EQ(check_functions(at_limit, {{"daemon/a.cc:void f", 71}}).size(), 1u) << "not needed";
  EXPECT_EQ(check_functions({{"daemon/a.cc", "void f() {\n"}}, {}).size(), 1u) << "braces";
}

TEST(TidyRules, EveryRegistryLineHasItsFileAndEveryAlgorithmItsGolden) {
  Tree tree = {{"protocol/codecs.def", "// CODEC(symbol): one a line\nCODEC(top_k)\n"},
               {"protocol/algorithms.def", "ALGORITHM(sync)\n"},
               {"daemon/learn/models.def", "MODEL(softmax, \"x\")\n"}};
  EXPECT_EQ(check_registries(tree).size(), 4u);
  tree["protocol/codec/top_k.cc"] = "";
  tree["daemon/learn/model/softmax.cc"] = "";
  tree["protocol/algorithm/sync.cc"] = "";
  EXPECT_EQ(check_registries(tree).size(), 1u);
  tree["tests/golden/sync.txt"] = "";
  EXPECT_TRUE(check_registries(tree).empty());
  tree["protocol/codecs.def"] += "CODEC(top_k)\n";
  EXPECT_EQ(check_registries(tree).size(), 1u) << "twice";
  tree["protocol/codecs.def"] = "// nothing\n";
  EXPECT_EQ(check_registries(tree).size(), 1u) << "empty";
}

TEST(TidyRules, TheTreeCheckCallsEveryRule) {
  const std::string mark(kUnfinished.front());
  const Tree tree = {
      {"protocol/algorithms.def", "ALGORITHM(sync)\n"},
      {"protocol/algorithm/sync.cc",
       "#include \"protocol/wire.h\"\nstd::thread t; // " + mark + "\n" + function_of(71) + " \n"}};
  // Include, ban, mark, layout, length, golden.
  EXPECT_EQ(check_tree(tree, {}).size(), 6u);
}

}  // namespace
}  // namespace kith::tidy
