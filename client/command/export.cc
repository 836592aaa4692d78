#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ranges>

#include "client/command/command.h"
#include "client/connection.h"
#include "client/identity_options.h"
#include "client/swarm.h"
#include "daemon/job.h"
#include "daemon/store/file.h"
#include "daemon/store/hash.h"
#include "daemon/store/result.h"
#include "daemon/store/run_folder.h"
#include "topology/error.h"

namespace kith {

namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct ExportOptions {
  std::string endpoint;
  std::string out;
  bool save_nodes = false;
  IdentityOptions identity;
  bool json = false;
};

// One node's answer.
struct NodeModel {
  control::ModelReply reply;
  std::string endpoint;
  std::vector<float> parameters;
};

// Who has told its model, and who has not.
struct Gathered {
  std::vector<NodeModel> nodes;        // by NodeId
  std::vector<std::string> sentences;  // one for each of the others
};

NodeModel take(Answer&& answer, const std::string& endpoint) {
  auto* reply = std::get_if<control::ModelReply>(&answer.reply);
  if (reply == nullptr || values_of(reply->tensors) != answer.parameters.size()) {
    throw RunFailed("the daemon at " + endpoint + " answered something else");
  }
  return {std::move(*reply), endpoint, std::move(answer.parameters)};
}

// Of a model of so many floats, over a slow line.
milliseconds time_for(uint64_t parameters) {
  constexpr uint64_t kBytesPerMillisecond = 1000;
  return kPatience + milliseconds(parameters * sizeof(float) / kBytesPerMillisecond);
}

// What is wrong with an answer that should be a model of this run; empty = nothing.
std::string problem_of(const std::optional<Answer>& answer, uint64_t run) {
  if (!answer) return "does not answer.";
  if (const auto* error = std::get_if<control::ErrorReply>(&answer->reply)) {
    return "has no model: " + error->message;
  }
  const auto* model = std::get_if<control::ModelReply>(&answer->reply);
  return model != nullptr && model->start.run != run ? "has another run." : "";
}

// Those who live are found out all at once, so that machines that are off cost one patience.
Gathered gather(Network& network, const std::string& endpoint) {
  Gathered all;
  Connection first(network, endpoint);
  const Answer status = first.ask(control::StatusRequest{}, kPatience);
  const auto* told = std::get_if<control::StatusReply>(&status.reply);
  const milliseconds patience = time_for(told != nullptr ? told->parameters : 0);
  all.nodes.push_back(take(first.ask(control::ModelRequest{}, patience), endpoint));
  const control::StartRequest start = all.nodes[0].reply.start;
  std::vector<std::pair<NodeId, Connection>> others;
  for (const control::PeerAddress& peer : start.peers) {
    if (peer.node == start.node) continue;
    others.emplace_back(peer.node, Connection(network, peer.endpoint));
    others.back().second.send(control::HelloRequest{});
  }
  const auto deadline = steady_clock::now() + kPatience;
  for (auto& [node, connection] : others) {
    std::optional<Answer> answer = connection.receive(deadline);
    if (answer) {
      connection.send(control::ModelRequest{});
      answer = connection.receive(steady_clock::now() + patience);
    }
    const std::string problem = problem_of(answer, start.run);
    if (problem.empty()) {
      all.nodes.push_back(take(std::move(*answer), connection.endpoint()));
    } else {
      all.sentences.push_back(
          fmt::format("Node {} at {} {}", index_of(node), connection.endpoint(), problem));
    }
  }
  std::ranges::sort(all.nodes, {}, [](const NodeModel& node) { return node.reply.start.node; });
  return all;
}

ordered_json json_of(const Gathered& all, const std::string& run, const fs::path& folder,
                     const std::string& hash) {
  ordered_json json = {{"run", run},
                       {"folder", folder.string()},
                       {"parameters_hash", hash},
                       {"nodes", ordered_json::array()},
                       {"missing", all.sentences}};
  for (const NodeModel& node : all.nodes) {
    json["nodes"].push_back({{"node", index_of(node.reply.start.node)},
                             {"address", node.endpoint},
                             {"phase", control::phase_name(node.reply.phase)},
                             {"rounds", node.reply.round}});
  }
  return json;
}

void tell(const Gathered& all, const std::string& run, const fs::path& folder) {
  for (const std::string& sentence : all.sentences) fmt::print(stderr, "{}\n", sentence);
  const auto [least, most] = std::ranges::minmax(
      all.nodes | std::views::transform([](const NodeModel& node) { return node.reply.round; }));
  fmt::print("{}: the average model of {} node{} after {}{} rounds is {}\n", run, all.nodes.size(),
             all.nodes.size() == 1 ? "" : "s", least == most ? "" : fmt::format("{} to ", least),
             most, (folder / "model.safetensors").string());
}

int export_model(const ExportOptions& options) {
  Network network(load_client_identity(options.identity));
  const Gathered all = gather(network, options.endpoint);
  const control::ModelReply& first = all.nodes[0].reply;
  const Job job = parse_job(first.start.job);
  const std::string run = run_name(job.name, first.start.run);

  std::vector<std::span<const float>> vectors;
  Round rounds = first.round;
  for (const NodeModel& node : all.nodes) {
    if (node.parameters.size() != all.nodes[0].parameters.size()) {
      throw RunFailed("the daemon at " + node.endpoint + " has a model of another size");
    }
    vectors.push_back(node.parameters);
    rounds = std::min(rounds, node.reply.round);
  }
  const ModelCard card = {job.name,
                          job.model.kind,
                          job.algorithm.kind,
                          job.graph.kind,
                          static_cast<uint32_t>(vectors.size()),
                          rounds,
                          hash_parameters(vectors)};
  const fs::path usual = fs::path("runs") / fmt::format("{}-{}", run, rounds);
  const fs::path folder = new_or_empty(options.out.empty() ? usual : fs::path(options.out));
  write_atomically(folder / "job.toml", first.start.job);
  write_model(folder, "model", first.tensors, average_of(vectors), card);
  for (const NodeModel& node : all.nodes) {
    if (!options.save_nodes) break;
    const std::string name = "nodes/" + std::to_string(index_of(node.reply.start.node));
    write_model(folder, name, first.tensors, node.parameters, card);
  }
  if (options.json) {
    std::puts(json_of(all, run, folder, card.parameters_hash).dump(2).c_str());
  } else {
    tell(all, run, folder);
  }
  return kDone;
}

}  // namespace

void add_export_command(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<ExportOptions>();
  CLI::App* command = program.add_subcommand(
      "export", "keep the model that the daemons of a run have, while it lasts or after it");
  command->add_option("--to", options->endpoint, "HOST:PORT of any daemon of the run")->required();
  command->add_option("--out", options->out, "folder for it (runs/<run>-<rounds>)");
  command->add_flag("--save-nodes", options->save_nodes, "keep every node's model, too");
  add_identity_options(*command, options->identity);
  command->add_flag("--json", options->json, "print one JSON object");
  command->footer("Example: kith export --to 10.0.0.5:7400 --out model");
  command->callback([options, &chosen] { chosen = [options] { return export_model(*options); }; });
}

}  // namespace kith
