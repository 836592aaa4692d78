// The rules that the sources keep, each as a function from text to findings, so that each can be
// tested on a few lines. The walk over the tree is in tidy_test.cc.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace kith::tidy {

struct Finding {
  std::string path;
  size_t line;  // from 1; 0 = the file as a whole
  std::string what;
};

using Findings = std::vector<Finding>;

// Path from the repository root -> text. Ordered, so that the findings come in a stable order.
using Tree = std::map<std::string, std::string>;

// Who may include whom, and where the heavy headers may appear. `algorithms` are the registered
// names: another file of protocol/algorithm is a helper that they may share.
Findings check_includes(std::string_view path, std::string_view text,
                        const std::set<std::string>& algorithms);

// protocol/ and topology/ are deterministic: no clock, no thread, no environment, no hash order.
Findings check_bans(std::string_view path, std::string_view text);

// 100 columns, no tabs, no blanks at the end of a line, a newline at the end of the file.
Findings check_layout(std::string_view path, std::string_view text);

// What marks unfinished work. In two pieces each, so that a search for it finds what it looks for.
inline constexpr std::array<std::string_view, 4> kUnfinished = {
    "TO"
    "DO",
    "FIX"
    "ME",
    "XX"
    "X",
    "HA"
    "CK"};

// `#pragma once` in headers; no unfinished-work marks anywhere.
Findings check_marks(std::string_view path, std::string_view text);

inline constexpr size_t kMaxFunctionLines = 70;

// `exceptions`: "path:function" -> lines it may have today. An entry that is no longer needed, or
// needed with fewer lines, is a finding as well: the list can only shrink.
Findings check_functions(const Tree& tree, const std::map<std::string, size_t>& exceptions);

// Each symbol of <folder>/<kind>s.def has <folder>/<kind>/<symbol>.cc (models.def: daemon/learn),
// stands there once, and each algorithm has its golden file.
Findings check_registries(const Tree& tree);

// All of the above.
Findings check_tree(const Tree& tree, const std::map<std::string, size_t>& exceptions);

}  // namespace kith::tidy
