#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "client/command/command.h"
#include "client/view/graph_svg.h"
#include "client/view/units.h"
#include "daemon/job_nearest.h"
#include "daemon/job_text.h"
#include "topology/error.h"
#include "topology/matcha.h"
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
  double tolerance = 1e-3;
  std::optional<double> budget = {};
  std::string svg;
  bool json = false;
};

// What the command found.
struct TopologyReport {
  TopologyProperties properties;
  std::optional<MatchaDesign> matcha = {};
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

nlohmann::ordered_json json_of(const RoundSpectrum& changing, Round period) {
  return {{"rounds", changing.rounds},
          {"whole_period", changing.rounds == period},
          {"zeta", changing.zeta},
          {"zeta_product", changing.zeta_product}};
}

nlohmann::ordered_json json_of(const MatchaDesign& matcha) {
  nlohmann::ordered_json matchings = nlohmann::ordered_json::array();
  for (const Matching& matching : matcha.matchings) matchings.push_back(matching);
  return {{"budget", matcha.budget},
          {"matchings", std::move(matchings)},
          {"probabilities", matcha.probabilities},
          {"expected_matchings", matcha.expected_matchings()},
          {"lambda_2", matcha.connectivity},
          {"alpha", matcha.alpha},
          {"rho", matcha.rho},
          {"periodic_alpha", matcha.periodic_alpha},
          {"periodic_rho", matcha.periodic_rho},
          {"helps", matcha.helps()}};
}

void print_json(const TopologyOptions& options, const Graph& graph, const TopologyReport& report) {
  const TopologyProperties& p = report.properties;
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
      {"tolerance", p.tolerance},
      {"rounds_to_tolerance", nullptr},
      {"matchings", nullptr}};
  if (p.changing) {
    json["lambda_min"] = nullptr;
    json["changing"] = json_of(*p.changing, graph.period());
  }
  if (p.rounds_to_tolerance) json["rounds_to_tolerance"] = *p.rounds_to_tolerance;
  if (p.matchings) json["matchings"] = *p.matchings;
  if (report.matcha) json["matcha"] = json_of(*report.matcha);
  if (!options.svg.empty()) json["svg"] = options.svg;
  std::puts(json.dump(2).c_str());
}

void print_line(const char* name, const std::string& value, const std::string& meaning) {
  fmt::print("  {:<14} {:<22} {}\n", name, value, meaning);
}

// "0.3694, 0.3694, 0.8918"; of more than eight the first six and how many there are.
std::string list_of(const std::vector<double>& values) {
  const size_t shown = values.size() <= 8 ? values.size() : 6;
  std::string text;
  for (size_t i = 0; i < shown; ++i) {
    text += fmt::format("{}{:.4g}", text.empty() ? "" : ", ", values[i]);
  }
  if (shown < values.size()) text += fmt::format(", ... ({})", values.size());
  return text;
}

std::string matchings_text(const std::vector<size_t>& sizes) {
  if (sizes.empty()) return "none";
  const auto [fewest, most] = std::ranges::minmax(sizes);
  if (fewest == most) return fmt::format("{} of {}", sizes.size(), count_text(most));
  return fmt::format("{} of {} to {}", count_text(sizes.size()), count_text(fewest),
                     count_text(most));
}

void print_mixing(const TopologyProperties& p, Round period) {
  const std::string zeta = fmt::format("{:.9g}", p.spectrum.zeta);
  if (p.changing) {
    const RoundSpectrum& changing = *p.changing;
    const bool whole = changing.rounds == period;
    const std::string rounds = fmt::format("{}{} rounds", whole ? "" : "first ", changing.rounds);
    print_line("zeta", zeta, "what is left of a disagreement after a round, in the long run");
    print_line("of each round", list_of(changing.zeta),
               "1 where that round alone connects too few");
    print_line(whole ? "of the period" : "of the rounds",
               fmt::format("{:.9g}", changing.zeta_product),
               "what is left after all the " + rounds);
  } else {
    print_line("zeta", zeta, "what is left of a disagreement after one round of averaging");
    print_line("spectral gap", fmt::format("{:.9g}", p.spectrum.spectral_gap), "1 - zeta");
    print_line("lambda_min", fmt::format("{:.9g}", p.spectrum.lambda_min),
               "smallest eigenvalue of the weights");
  }
  print_line("rounds", p.rounds_to_tolerance ? count_text(*p.rounds_to_tolerance) : "never",
             "of averaging until nodes disagree " + fmt::format("{:.6g}", 1 / p.tolerance) +
                 " times less");
}

void print_matcha(const MatchaDesign& matcha) {
  fmt::print("\nMATCHA, budget {:.4g}: {:.4g} of {} matchings active in a round on average\n",
             matcha.budget, matcha.expected_matchings(), matcha.matchings.size());
  print_line("probabilities", list_of(matcha.probabilities), "of each matching, largest first");
  print_line("alpha", fmt::format("{:.6g}", matcha.alpha), "weight of an active edge");
  print_line("rho", fmt::format("{:.6g}", matcha.rho),
             "what is left of a squared disagreement after a round, on average");
  print_line(
      "periodic rho", fmt::format("{:.6g}", matcha.periodic_rho),
      fmt::format("the same where all edges average in {:.4g} of the rounds", matcha.budget));
  if (matcha.helps()) {
    fmt::print("MATCHA forgets a disagreement {:.3g} times as fast as the periodic way.\n",
               std::log(matcha.rho) / std::log(matcha.periodic_rho));
  } else {
    fmt::print(
        "MATCHA does not help here: averaging over all edges in {:.4g} of the rounds costs as "
        "much\n"
        "and forgets a disagreement {}.\n",
        matcha.budget, matcha.rho > matcha.periodic_rho + 1e-6 ? "faster" : "as fast");
  }
}

void print_text(const TopologyOptions& options, const Graph& graph, const TopologyReport& report) {
  const TopologyProperties& p = report.properties;
  const std::string degrees =
      p.degree_min == p.degree_max
          ? std::to_string(p.degree_min)
          : fmt::format("{} to {}, mean {:.4g}", p.degree_min, p.degree_max, p.degree_mean);
  fmt::print("{}, {} nodes, {} weights\n", options.kind, count_text(p.nodes), options.weights);
  print_line("degree", degrees, "neighbours that a node hears from in a round");
  print_line("edges", count_text(p.edges), p.undirected ? "each both ways" : "each one way");
  if (p.matchings) {
    print_line("matchings", matchings_text(*p.matchings),
               "edges that no node shares: exchanges of a round, one after the other");
  }
  if (p.connected) {
    print_line("diameter", (p.diameter_exact ? "" : "at least ") + std::to_string(p.diameter),
               "hops between the two nodes farthest apart");
  }
  print_mixing(p, graph.period());
  if (report.matcha) print_matcha(*report.matcha);
  if (!options.svg.empty()) fmt::print("Drawn in {}\n", options.svg);
}

MatchaDesign matcha_of(const Graph& graph, double budget) {
  if (graph.period() != 1) {
    throw OperatorError(
        "--budget is for MATCHA, which draws the rounds of a graph that never "
        "changes itself; take such a graph, or leave --budget out");
  }
  return design_matcha(graph, budget);
}

void write_svg(const TopologyOptions& options, const Graph& graph, const TopologyProperties& p) {
  std::string caption = fmt::format("{}, {} nodes, {} edges, zeta {:.4f}", options.kind,
                                    count_text(p.nodes), count_text(p.edges), p.spectrum.zeta);
  if (p.changing) {
    caption = fmt::format("{}, {} nodes: the links of {} rounds", options.kind, count_text(p.nodes),
                          p.changing->rounds);
  }
  std::ofstream file(options.svg);
  file << graph_svg(graph, caption);
  if (!file.flush()) throw OperatorError("--svg: cannot write file \"" + options.svg + "\"");
}

int topology_command(TopologyOptions& options) {
  const std::unique_ptr<Mixing> mixing = mixing_of(options);
  const Graph& graph = mixing->graph();
  TopologyReport report{topology_properties(*mixing, options.tolerance)};
  if (options.budget) report.matcha = matcha_of(graph, *options.budget);
  if (!options.svg.empty()) write_svg(options, graph, report.properties);
  options.json ? print_json(options, graph, report) : print_text(options, graph, report);
  return kDone;
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
  command->add_option("--weights", options->weights, "mixing rule: " + list_of(mixing_rules()));
  command->add_option("--tolerance", options->tolerance,
                      "share of a disagreement that averaging is to leave (0.001)");
  command->add_option("--budget", options->budget,
                      "of MATCHA: share of a round's exchanges, such as 0.5");
  command->add_option("--svg", options->svg, "draw the graph into this file")->type_name("FILE");
  command->add_option("--seed", options->seed, "of graphs that are drawn at random (1)");
  command->add_flag("--json", options->json, "print one JSON object");
  command->footer(
      "Examples: kith topology ring -n 16\n"
      "          kith topology random-regular -n 1000 --set degree=4\n"
      "          kith topology torus -n 16 --budget 0.5 --svg torus.svg");
  command->callback(
      [options, &chosen] { chosen = [options] { return topology_command(*options); }; });
}

}  // namespace kith
