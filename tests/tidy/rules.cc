#include "tests/tidy/rules.h"

#include <algorithm>

#include "tests/tidy/text.h"

namespace kith::tidy {
namespace {

bool starts_with_any(std::string_view path, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& prefix) { return path.starts_with(prefix); });
}

bool is_header(std::string_view path) { return path.ends_with(".h"); }
bool is_source(std::string_view path) { return is_header(path) || path.ends_with(".cc"); }
bool is_product(std::string_view path) {
  return starts_with_any(path, {"topology/", "protocol/", "daemon/", "client/"});
}

struct Layer {
  std::string folder;
  std::vector<std::string> may_include;
  std::vector<std::string> never;  // although it stands under may_include
};

// The first entry that holds a file counts.
const std::vector<Layer>& layers() {
  static const std::vector<Layer> kLayers = {
      {"topology/", {"topology/"}, {}},
      {"protocol/algorithm/",
       {"protocol/", "topology/"},
       {"protocol/codec/", "protocol/wire.h", "protocol/control.h"}},
      {"protocol/aggregate/",
       {"protocol/", "topology/"},
       {"protocol/algorithm/", "protocol/codec/", "protocol/wire.h", "protocol/control.h"}},
      {"protocol/coordinator/",
       {"protocol/", "topology/"},
       {"protocol/algorithm/", "protocol/codec/", "protocol/wire.h", "protocol/control.h"}},
      {"protocol/gossip/",
       {"protocol/", "topology/"},
       {"protocol/algorithm/", "protocol/codec/", "protocol/wire.h", "protocol/control.h"}},
      {"protocol/", {"protocol/", "topology/"}, {}},
      {"daemon/real/", {"daemon/", "protocol/", "topology/"}, {"daemon/sim/"}},
      {"daemon/sim/", {"daemon/", "protocol/", "topology/"}, {"daemon/real/"}},
      {"daemon/", {"daemon/", "protocol/", "topology/"}, {}},
      {"client/",
       {"client/", "daemon/job", "daemon/sim/", "daemon/store/", "daemon/learn/", "daemon/trust/",
        "daemon/malloc_tuning", "protocol/", "topology/"},
       {}},
  };
  return kLayers;
}

struct HeavyHeader {
  std::string name;
  std::vector<std::string> headers;  // how the include begins
  std::vector<std::string> allowed;  // where it may stand
};

const std::vector<HeavyHeader>& heavy_headers() {
  static const std::vector<HeavyHeader> kHeavy = {
      {"Asio", {"asio.hpp", "asio/", "boost/asio"}, {"daemon/real/", "client/"}},
      {"ZeroMQ", {"zmq"}, {"daemon/real/", "client/"}},
      {"MessagePack", {"msgpack"}, {"protocol/wire.cc", "protocol/control.cc"}},
      {"Eigen",
       {"Eigen/", "eigen3/", "unsupported/Eigen", "Spectra/"},
       {"topology/", "protocol/theory/", "protocol/kernels.cc", "daemon/learn/"}},
      {"Boost.Math", {"boost/math"}, {"protocol/theory/"}},
      {"Zstandard", {"zstd.h"}, {"protocol/codec/zstd.cc"}},
      {"oneDNN", {"dnnl", "oneapi/dnnl"}, {"daemon/learn/"}},
      {"nlohmann json", {"nlohmann/"}, {"daemon/", "client/"}},
      {"toml++", {"toml++/", "tomlplusplus/"}, {"daemon/", "client/"}},
  };
  return kHeavy;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ", ") + part;
  return out;
}

std::string stem(std::string_view path) {
  const size_t slash = path.rfind('/');
  const std::string_view name = slash == path.npos ? path : path.substr(slash + 1);
  return std::string(name.substr(0, name.find('.')));
}

void check_layer(std::string_view path, const Include& include,
                 const std::set<std::string>& algorithms, Findings& out) {
  const auto layer = std::find_if(layers().begin(), layers().end(), [&](const Layer& candidate) {
    return path.starts_with(candidate.folder);
  });
  if (layer == layers().end()) return;
  const std::string file(path);
  if (!starts_with_any(include.path, layer->may_include) ||
      starts_with_any(include.path, layer->never)) {
    std::string rule = layer->folder + " may include " + joined(layer->may_include);
    if (!layer->never.empty()) rule += " but not " + joined(layer->never);
    out.push_back({file, include.line, "includes \"" + include.path + "\": " + rule});
  } else if (layer->folder == "protocol/algorithm/" && include.path.starts_with(layer->folder) &&
             stem(include.path) != stem(path) && algorithms.contains(stem(include.path))) {
    out.push_back({file, include.line,
                   "includes the algorithm \"" + include.path +
                       "\": move what both need into a header of protocol/"});
  }
}

void check_heavy(std::string_view path, const Include& include, Findings& out) {
  const std::string file(path);
  for (const HeavyHeader& heavy : heavy_headers()) {
    if (!starts_with_any(include.path, heavy.headers)) continue;
    if (!starts_with_any(path, heavy.allowed)) {
      out.push_back({file, include.line, heavy.name + " belongs in " + joined(heavy.allowed)});
    } else if (is_header(path)) {
      out.push_back({file, include.line,
                     heavy.name + " in a header: include it in the .cc and hide it behind a type"});
    }
  }
}

struct Ban {
  std::string word;
  std::string instead;
};

const std::vector<Ban>& bans() {
  static const std::string kTime = "take the time from the event";
  static const std::string kRandom = "draw from topology/rng.h";
  static const std::string kHash = "use std::map, std::set or a sorted vector: its order is fixed";
  static const std::string kThread = "leave threads to daemon/: a step runs on its node's loop";
  static const std::string kViews =
      "use iterators: clang 14, which builds the fuzzers, has no views with this library";
  static const std::vector<Ban> kBans = {
      {"steady_clock", kTime},
      {"system_clock", kTime},
      {"high_resolution_clock", kTime},
      {"random_device", kRandom},
      {"mt19937", kRandom},
      {"srand", kRandom},
      {"rand", kRandom},
      {"unordered_map", kHash},
      {"unordered_set", kHash},
      {"std::thread", kThread},
      {"std::jthread", kThread},
      {"std::async", kThread},
      {"getenv", "take it as an option, or from the job"},
      {"std::cout", "return text, or report an effect: the body prints"},
      {"std::cerr", "return a Status, or use KITH_ASSERT"},
      {"std::ranges::unique", kViews},
      {"std::ranges::subrange", kViews},
      {"std::views", kViews},
  };
  return kBans;
}

const std::map<std::string, std::string>& banned_headers() {
  static const std::map<std::string, std::string> kHeaders = {
      {"random", "draw from topology/rng.h: its distributions are ours and the same everywhere"},
      {"unordered_map", "use std::map or a sorted vector: its order is fixed"},
      {"unordered_set", "use std::set or a sorted vector: its order is fixed"},
      {"thread", "leave threads to daemon/"},
      {"iostream", "return text, or report an effect: the body prints"},
  };
  return kHeaders;
}

void append(Findings& to, Findings from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

std::string dot_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(path.substr(slash == path.npos ? 0 : slash + 1));
}

}  // namespace

Findings check_includes(std::string_view path, std::string_view text,
                        const std::set<std::string>& algorithms) {
  Findings out;
  if (!is_product(path) || !is_source(path)) return out;
  for (const Include& include : includes_of(text)) {
    // Highway's headers are included once per instruction set, by its own rule with quotes.
    const bool ours = include.quoted && !include.path.starts_with("hwy/");
    if (ours) check_layer(path, include, algorithms, out);
    check_heavy(path, include, out);
  }
  return out;
}

Findings check_bans(std::string_view path, std::string_view text) {
  Findings out;
  if (!starts_with_any(path, {"protocol/", "topology/"}) || !is_source(path)) return out;
  const std::string file(path);
  for (const Include& include : includes_of(text)) {
    const auto banned = banned_headers().find(include.path);
    if (banned != banned_headers().end()) {
      out.push_back({file, include.line, "<" + include.path + ">: " + banned->second});
    }
  }
  size_t number = 0;
  for (const std::string& line : lines_of(masked(text, Keep::kCode))) {
    ++number;
    if (line.find("#include") != line.npos) continue;
    for (const Ban& ban : bans()) {
      if (has_word(line, ban.word)) out.push_back({file, number, ban.word + ": " + ban.instead});
    }
  }
  return out;
}

Findings check_layout(std::string_view path, std::string_view text) {
  Findings out;
  const std::string file(path);
  const bool code = is_source(path) || path.ends_with(".def") || path.ends_with(".py") ||
                    path.ends_with(".sh") || dot_name(path).find('.') == std::string::npos;
  size_t number = 0;
  for (const std::string& line : lines_of(text)) {
    ++number;
    if (line.find('\t') != line.npos) out.push_back({file, number, "a tab: use blanks"});
    if (!line.empty() && (line.back() == ' ' || line.back() == '\r')) {
      out.push_back({file, number, "blanks at the end of the line"});
    }
    if (code && columns(line) > 100) {
      out.push_back({file, number, std::to_string(columns(line)) + " columns: at most 100"});
    }
  }
  if (!text.empty() && text.back() != '\n') out.push_back({file, number, "no newline at the end"});
  return out;
}

Findings check_marks(std::string_view path, std::string_view text) {
  Findings out;
  if (!is_source(path)) return out;
  const std::string file(path);
  // A "-inl.h" is compiled once for each instruction set: Highway's guard stands in its place.
  const bool included_once = is_header(path) && !path.ends_with("-inl.h");
  if (included_once && !has_word(masked(text, Keep::kCode), "#pragma once")) {
    out.push_back({file, 0, "a header without #pragma once"});
  }
  size_t number = 0;
  for (const std::string& line : lines_of(masked(text, Keep::kAllButStrings))) {
    ++number;
    for (const std::string_view word : kUnfinished) {
      if (has_word(line, word)) {
        out.push_back({file, number, std::string(word) + ": finish it, or say why it is so"});
      }
    }
  }
  return out;
}

Findings check_functions(const Tree& tree, const std::map<std::string, size_t>& exceptions) {
  Findings out;
  std::map<std::string, size_t> unused = exceptions;
  for (const auto& [path, text] : tree) {
    if (!is_source(path)) continue;
    const Functions functions = functions_of(text);
    if (!functions.balanced) {
      out.push_back({path, 0, "braces do not match, so no function length can be read"});
    }
    for (const Function& function : functions.found) {
      if (function.lines <= kMaxFunctionLines) continue;
      const std::string key = path + ":" + function.name;
      const auto exception = exceptions.find(key);
      const size_t allowed = exception == exceptions.end() ? kMaxFunctionLines : exception->second;
      if (function.lines == allowed) {
        unused.erase(key);
        continue;
      }
      const std::string length =
          std::to_string(function.lines) + " lines, allowed are " + std::to_string(allowed);
      out.push_back({path, function.first_line,
                     function.lines > allowed
                         ? "'" + function.name + "' has " + length + ": split it"
                         : "'" + function.name + "' has " + length + ": lower its exception"});
      unused.erase(key);
    }
  }
  for (const auto& [key, lines] : unused) {
    out.push_back({key, 0, "no longer needs its exception: remove it from the list"});
  }
  return out;
}

Findings check_registries(const Tree& tree) {
  Findings out;
  for (const auto& [path, text] : tree) {
    if (!path.ends_with("s.def") || !is_product(path)) continue;
    const std::string folder = path.substr(0, path.size() - std::string("s.def").size());
    const std::vector<std::string> symbols = registered_in(text);
    if (symbols.empty()) out.push_back({path, 0, "a registry without a line"});
    std::set<std::string> seen;
    for (const std::string& symbol : symbols) {
      if (!seen.insert(symbol).second) out.push_back({path, 0, symbol + " stands there twice"});
      const std::string file = folder + "/" + symbol + ".cc";
      if (!tree.contains(file)) out.push_back({path, 0, symbol + " has no file " + file});
      const std::string golden = "tests/golden/" + symbol + ".txt";
      if (folder == "protocol/algorithm" && !tree.contains(golden)) {
        out.push_back({path, 0, symbol + " has no golden file " + golden});
      }
    }
  }
  return out;
}

Findings check_tree(const Tree& tree, const std::map<std::string, size_t>& exceptions) {
  std::set<std::string> algorithms;
  if (const auto def = tree.find("protocol/algorithms.def"); def != tree.end()) {
    for (const std::string& symbol : registered_in(def->second)) algorithms.insert(symbol);
  }
  Findings out;
  for (const auto& [path, text] : tree) {
    append(out, check_includes(path, text, algorithms));
    append(out, check_bans(path, text));
    append(out, check_layout(path, text));
    append(out, check_marks(path, text));
  }
  append(out, check_functions(tree, exceptions));
  append(out, check_registries(tree));
  return out;
}

}  // namespace kith::tidy
