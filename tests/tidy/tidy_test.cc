// Style is a test: ARCHITECTURE's include rules, the bans of the deterministic folders, layout,
// function length and the registries are read from the sources. tidy_self_test.cc tests the rules.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/tidy/rules.h"

namespace kith::tidy {
namespace {

namespace fs = std::filesystem;

// "path:function" -> lines it has today. Starts empty, and can only shrink.
const std::map<std::string, size_t> kLongFunctions = {};

bool is_read(const fs::path& path) {
  static const std::set<std::string> kEndings = {".h",    ".cc",    ".def",  ".py",  ".sh",  ".md",
                                                 ".toml", ".cmake", ".json", ".yml", ".yaml"};
  static const std::set<std::string> kNames = {
      "CMakeLists.txt", "Dockerfile", "quickstart", "run",           "base",
      "image",          "cluster",    "shape",      "train-together"};
  return kEndings.contains(path.extension()) || kNames.contains(path.filename());
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void read_folder(const fs::path& root, const fs::path& folder, Tree& tree) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = fs::relative(entry.path(), root).generic_string();
    if (is_read(entry.path())) {
      tree[name] = read(entry.path());
    } else if (name.starts_with("tests/golden/")) {
      tree[name] = "";  // only its presence counts
    }
  }
}

Tree read_tree(const fs::path& root) {
  Tree tree;
  for (const char* folder :
       {"topology", "protocol", "daemon", "client", "tests", "docker", "examples", ".ci"}) {
    if (fs::exists(root / folder)) read_folder(root, root / folder, tree);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    if (entry.is_regular_file() && is_read(entry.path())) {
      tree[entry.path().filename().string()] = read(entry.path());
    }
  }
  return tree;
}

TEST(Tidy, TheSourcesKeepTheRules) {
  const Tree tree = read_tree(KITH_SOURCE_DIR);
  // The walk found the tree: an empty one would keep every rule.
  ASSERT_TRUE(tree.contains("topology/graph.h"));
  ASSERT_TRUE(tree.contains("protocol/codec.h"));
  ASSERT_TRUE(tree.contains("tests/tidy/tidy_test.cc"));
  std::string report;
  for (const Finding& finding : check_tree(tree, kLongFunctions)) {
    report += finding.path + ":" + std::to_string(finding.line) + ": " + finding.what + "\n";
  }
  EXPECT_TRUE(report.empty()) << report;
}

}  // namespace
}  // namespace kith::tidy
