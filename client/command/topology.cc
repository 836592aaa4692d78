#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "client/command/command.h"
#include "client/view/units.h"
#include "daemon/job_nearest.h"
#include "daemon/job_text.h"
#include "topology/error.h"
#include "topology/properties.h"
#include "topology/registry.h"

namespace kith {

namespace {

struct TopologyOptions {
  std::string kind;
  uint32_t nodes = 0;
  uint64_t seed = 1;
  std::vector<std::string> set;
  std::string weights;
  bool json = false;
};

std::vector<std::string> graph_names() {
  std::vector<std::string> names;
  for (const GraphInfo* info : all_graphs()) names.emplace_back(info->name);
  return names;
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// A registered name, or the path of an edge list.
const GraphInfo& graph_of(TopologyOptions& options) {
  const std::vector<std::string> names = graph_names();
  if (std::ranges::find(names, options.kind) != names.end()) return find_graph(options.kind);
  if (std::filesystem::is_regular_file(options.kind)) {
    options.set.push_back("file=" + options.kind);
    return find_graph("edge-list");
  }
  const std::string near = nearest(options.kind, names);
  throw OperatorError("\"" + options.kind + "\" is neither a graph (" + list_of(names) +
                      ") nor a file with an edge list" +
                      (near.empty() ? "" : ": did you mean " + near + "?"));
}

std::unique_ptr<Mixing> mixing_of(TopologyOptions& options) {
  const GraphInfo& info = graph_of(options);
  JobSections sections;
  for (const std::string& assignment : options.set) {
    if (assignment.find('=') == std::string::npos) {
      throw OperatorError("--set takes key=value, but got \"" + assignment + "\"");
    }
    apply_override(sections, "topology." + assignment);
  }
  const Options checked(info.name, info.options(), sections["topology"]);
  std::shared_ptr<const Graph> graph = make_graph(info.name, options.nodes, options.seed, checked);
  const std::string rule = options.weights.empty() ? default_mixing(*graph) : options.weights;
  options.weights = rule;
  return make_mixing(rule, std::move(graph));
}

void print_json(const TopologyOptions& options, const TopologyProperties& p) {
  nlohmann::ordered_json json = {
      {"graph", options.kind},
      {"nodes", p.nodes},
      {"weights", options.weights},
      {"undirected", p.undirected},
      {"connected", p.connected},
      {"edges", p.edges},
      {"degree", {{"min", p.degree_min}, {"mean", p.degree_mean}, {"max", p.degree_max}}},
      {"diameter", p.diameter},
      {"diameter_exact", p.diameter_exact},
      {"zeta", p.spectrum.zeta},
      {"spectral_gap", p.spectrum.spectral_gap},
      {"lambda_min", p.spectrum.lambda_min},
      {"rounds_to_thousandth", nullptr}};
  if (p.rounds_to_thousandth) json["rounds_to_thousandth"] = *p.rounds_to_thousandth;
  std::puts(json.dump(2).c_str());
}

void print_text(const TopologyOptions& options, const TopologyProperties& p) {
  const auto line = [](const char* name, const std::string& value, const char* meaning) {
    fmt::print("  {:<14} {:<22} {}\n", name, value, meaning);
  };
  const std::string degrees =
      p.degree_min == p.degree_max
          ? std::to_string(p.degree_min)
          : fmt::format("{} to {}, mean {:.4g}", p.degree_min, p.degree_max, p.degree_mean);
  fmt::print("{}, {} nodes, {} weights\n", options.kind, count_text(p.nodes), options.weights);
  line("degree", degrees, "neighbours that a node hears from in a round");
  line("edges", count_text(p.edges), p.undirected ? "each both ways" : "each one way");
  if (p.connected) {
    line("diameter", (p.diameter_exact ? "" : "at least ") + std::to_string(p.diameter),
         "hops between the two nodes farthest apart");
  }
  line("zeta", fmt::format("{:.9g}", p.spectrum.zeta),
       "what is left of a disagreement after one round of averaging");
  line("spectral gap", fmt::format("{:.9g}", p.spectrum.spectral_gap), "1 - zeta");
  line("lambda_min", fmt::format("{:.9g}", p.spectrum.lambda_min),
       "smallest eigenvalue of the weights");
  line("rounds", p.rounds_to_thousandth ? count_text(*p.rounds_to_thousandth) : "never",
       "of averaging until nodes disagree 1000 times less");
}

}  // namespace

void add_topology_command(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<TopologyOptions>();
  CLI::App* command =
      program.add_subcommand("topology", "what a graph costs and how fast news spreads on it");
  command->add_option("KIND", options->kind, list_of(graph_names()) + ", or a file with edges")
      ->required();
  command->add_option("-n,--nodes", options->nodes, "number of nodes")->required();
  command->add_option("--set", options->set, "an option of the graph; can be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command->add_option("--weights", options->weights,
                      "mixing rule: metropolis, uniform or best-constant");
  command->add_option("--seed", options->seed, "of graphs that are drawn at random (1)");
  command->add_flag("--json", options->json, "print one JSON object");
  command->footer(
      "Examples: kith topology ring -n 16\n"
      "          kith topology random-regular -n 1000 --set degree=4");
  command->callback([options, &chosen] {
    chosen = [options] {
      const TopologyProperties properties = topology_properties(*mixing_of(*options));
      options->json ? print_json(*options, properties) : print_text(*options, properties);
      return kDone;
    };
  });
}

}  // namespace kith
