#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "client/command/command.h"
#include "client/connection.h"
#include "client/identity_options.h"
#include "client/swarm.h"
#include "client/view/units.h"
#include "topology/error.h"

namespace kith {

namespace {

using nlohmann::ordered_json;

ordered_json json_of(const control::Counters& counters) {
  ordered_json refused = ordered_json::object();
  for (const auto& [reason, count] : counters.refused) refused[reason] = count;
  return {{"messages_sent", counters.messages_sent},
          {"messages_received", counters.messages_received},
          {"bytes_sent", counters.bytes_sent},
          {"bytes_received", counters.bytes_received},
          {"uncompressed_bytes_sent", counters.uncompressed_bytes_sent},
          {"encode_seconds", counters.encode_seconds},
          {"decode_seconds", counters.decode_seconds},
          {"repairs_requested", counters.repairs_requested},
          {"messages_resent", counters.messages_resent},
          {"messages_lost", counters.messages_lost},
          {"refused", refused}};
}

ordered_json json_of(const std::vector<control::EdgeTraffic>& edges) {
  ordered_json list = ordered_json::array();
  for (const control::EdgeTraffic& edge : edges) {
    list.push_back({{"peer", edge.peer},
                    {"messages_sent", edge.messages_sent},
                    {"messages_received", edge.messages_received},
                    {"bytes_sent", edge.bytes_sent},
                    {"bytes_received", edge.bytes_received},
                    {"payload_bytes_sent", edge.payload_bytes_sent},
                    {"uncompressed_bytes_sent", edge.uncompressed_bytes_sent},
                    {"decode_seconds", edge.decode_seconds}});
  }
  return list;
}

ordered_json json_of(const std::vector<control::PeerStatus>& peers) {
  ordered_json list = ordered_json::array();
  for (const control::PeerStatus& peer : peers) {
    list.push_back({{"node", peer.node},
                    {"endpoint", peer.endpoint},
                    {"transport", peer.transport},
                    {"last_heard_seconds", nullptr},
                    {"queued_bytes", peer.queued_bytes},
                    {"left", peer.left}});
    if (peer.silence >= 0) list.back()["last_heard_seconds"] = peer.silence;
  }
  return list;
}

ordered_json json_of(const control::StatusReply& s) {
  const control::ProgressReply& progress = s.progress;
  ordered_json json = {{"version", s.version},
                       {"pid", s.pid},
                       {"listen", s.listen},
                       {"phase", control::phase_name(progress.phase)},
                       {"threads", s.threads},
                       {"uptime_seconds", s.uptime},
                       {"cpu_seconds", s.cpu_seconds},
                       {"memory",
                        {{"resident_bytes", s.resident_bytes},
                         {"pool_bytes", s.pool_bytes},
                         {"shard_bytes", s.shard_bytes},
                         {"snapshot_bytes", s.snapshot_bytes}}}};
  if (progress.phase == control::Phase::kIdle) {
    json["counters"] = json_of(progress.counters);
    return json;
  }
  json["job"] = s.job;
  json["run"] = run_name(s.job, progress.run);
  json["model"] = s.model;
  json["algorithm"] = s.algorithm;
  json["graph"] = s.graph;
  json["codec"] = s.codec;
  json["delays_injected"] = !s.injected.empty();
  json["aggregate"] = s.aggregate;
  json["adversary"] = s.adversary;
  if (s.checkpoint > 0) json["checkpoint"] = s.checkpoint;
  json["node"] = s.node;
  json["nodes"] = s.nodes;
  json["parameters"] = s.parameters;
  json["shard_rows"] = s.shard_rows;
  json["data"] = s.data;
  json["own_data"] = s.own_data;
  json["round"] = progress.round;
  json["rounds"] = progress.rounds;
  json["loss"] = progress.loss;
  json["seconds"] = progress.seconds;
  json["error"] = progress.error;
  json["counters"] = json_of(progress.counters);
  json["edges"] = json_of(progress.edges);
  json["peers"] = json_of(s.peers);
  return json;
}

void line(const std::string& name, const std::string& text) {
  fmt::print("  {:<10} {}\n", name, text);
}

void print_peers(const std::vector<control::PeerStatus>& peers) {
  std::string name = "peers";
  for (const control::PeerStatus& peer : peers) {
    const std::string heard =
        peer.silence < 0 ? "not heard yet" : "heard " + duration_text(peer.silence) + " ago";
    const std::string held =
        peer.queued_bytes > 0
            ? ", " + bytes_text(static_cast<double>(peer.queued_bytes)) + " held back"
            : "";
    line(name, fmt::format("node {} at {}{}, {}{}{}", peer.node, peer.endpoint,
                           peer.transport.empty() ? "" : " by " + peer.transport, heard, held,
                           peer.left ? "; left behind until it is back" : ""));
    name.clear();
  }
}

void print_edges(const std::vector<control::EdgeTraffic>& edges) {
  std::string name = "edges";
  for (const control::EdgeTraffic& edge : edges) {
    std::string ratio;
    if (edge.payload_bytes_sent > 0) {
      ratio = fmt::format(", {:.3g} times fewer than as floats",
                          static_cast<double>(edge.uncompressed_bytes_sent) /
                              static_cast<double>(edge.payload_bytes_sent));
    }
    line(name, fmt::format("node {}: {} sent{}; {} received, decoded in {}", edge.peer,
                           bytes_text(static_cast<double>(edge.bytes_sent)), ratio,
                           bytes_text(static_cast<double>(edge.bytes_received)),
                           duration_text(edge.decode_seconds)));
    name.clear();
  }
}

void print_job(const control::StatusReply& s) {
  const control::ProgressReply& progress = s.progress;
  line("job", fmt::format("{}: {} by {} on a {} graph, messages {}", run_name(s.job, progress.run),
                          s.model, s.algorithm, s.graph, s.codec));
  if (s.checkpoint > 0) line("checkpoint", fmt::format("of round {}", s.checkpoint));
  if (!s.injected.empty()) {
    line("delays", "injected, not this machine's own speed: " + s.injected);
  }
  if (!s.aggregate.empty() && s.aggregate != "mean") line("aggregate", s.aggregate);
  if (!s.adversary.empty()) {
    line("adversary", "this node is bad on purpose: it sends " + s.adversary);
  }
  line("node",
       fmt::format("{} of {}, {} rows of its own", s.node, s.nodes, count_text(s.shard_rows)));
  if (!s.data.empty()) {
    line("data", s.data + (s.own_data.empty() ? "" : ", from " + s.own_data));
  }
  line("round", fmt::format("{} of {}, loss {}, {}", progress.round, progress.rounds,
                            number_text(progress.loss), duration_text(progress.seconds)));
  const control::Counters& counters = progress.counters;
  line("traffic", fmt::format("{} sent in {} messages, {} received in {}",
                              bytes_text(static_cast<double>(counters.bytes_sent)),
                              count_text(counters.messages_sent),
                              bytes_text(static_cast<double>(counters.bytes_received)),
                              count_text(counters.messages_received)));
  if (counters.encode_seconds + counters.decode_seconds > 0) {
    line("coding", fmt::format("{} encoding, {} decoding", duration_text(counters.encode_seconds),
                               duration_text(counters.decode_seconds)));
  }
  print_edges(progress.edges);
  if (counters.repairs_requested + counters.messages_resent > 0) {
    line("repairs", fmt::format("{} asked for, {} messages sent again", counters.repairs_requested,
                                counters.messages_resent));
  }
  if (counters.messages_lost > 0) {
    line("lost", count_text(counters.messages_lost) + " messages, as delays.loss wants");
  }
  print_peers(s.peers);
}

void print_refused(const control::Counters& counters) {
  std::string refused;
  for (const auto& [reason, count] : counters.refused) {
    refused += fmt::format("{}{} {}", refused.empty() ? "" : ", ", reason, count);
  }
  line("refused", refused.empty() ? "nothing" : refused);
}

void print_text(const control::StatusReply& s) {
  fmt::print("kithd {} at {}, pid {}: {}\n", s.version, s.listen, s.pid,
             control::phase_name(s.progress.phase));
  if (!s.progress.error.empty()) line("error", s.progress.error);
  if (s.progress.phase != control::Phase::kIdle) print_job(s);
  print_refused(s.progress.counters);
  const auto mb = [](uint64_t bytes) { return bytes_text(static_cast<double>(bytes)); };
  line("memory",
       fmt::format("{} resident: {} parameters, {} data, {} snapshots", mb(s.resident_bytes),
                   mb(s.pool_bytes), mb(s.shard_bytes), mb(s.snapshot_bytes)));
  line("running", fmt::format("for {}, {} of CPU, {} worker thread{}", duration_text(s.uptime),
                              duration_text(s.cpu_seconds), s.threads, s.threads == 1 ? "" : "s"));
}

struct ToOptions {
  std::string endpoint;
  IdentityOptions identity;
  bool json = false;
  bool shutdown = false;
  bool all = false;  // of the swarm that have the same run
};

int status(const ToOptions& options) {
  Network network(load_client_identity(options.identity));
  Connection connection(network, options.endpoint);
  const Answer answer = connection.ask(control::StatusRequest{}, kPatience);
  const auto* reply = std::get_if<control::StatusReply>(&answer.reply);
  if (!reply) throw RunFailed("the daemon at " + options.endpoint + " answered something else");
  if (options.json) {
    std::puts(json_of(*reply).dump(2).c_str());
  } else {
    print_text(*reply);
  }
  return kDone;
}

// Makes the nodes of a run drop it, wherever they are in the swarm of one of them; how many.
size_t stop_run(Network& network, const std::string& endpoint, std::string& name) {
  const control::NodesReply swarm = ask_nodes(network, endpoint);
  const auto status = ask_status(network, endpoint, swarm, kPatience);
  if (!status.front() || status.front()->job.empty()) {
    throw OperatorError("the daemon at " + endpoint + " has no run; kith nodes shows who has");
  }
  const uint64_t run = status.front()->progress.run;
  name = run_name(status.front()->job, run);
  size_t stopped = 0;
  for (size_t i = 0; i < status.size(); ++i) {
    if (!status[i] || status[i]->job.empty() || status[i]->progress.run != run) continue;
    Connection connection(network, i == 0 ? endpoint : swarm.nodes[i].address);
    connection.ask(control::StopJobRequest{}, kPatience);
    ++stopped;
  }
  return stopped;
}

int stop_all(const ToOptions& options) {
  Network network(load_client_identity(options.identity));
  std::string run;
  const size_t stopped = stop_run(network, options.endpoint, run);
  if (options.json) {
    const ordered_json json = {{"run", run}, {"stopped", "run"}, {"nodes", stopped}};
    std::puts(json.dump(2).c_str());
  } else {
    fmt::print("{} daemon{} dropped the run {}.\n", stopped, stopped == 1 ? " has" : "s have", run);
  }
  return kDone;
}

int stop(const ToOptions& options) {
  if (options.all) return stop_all(options);
  Network network(load_client_identity(options.identity));
  Connection connection(network, options.endpoint);
  if (options.shutdown) {
    connection.ask(control::ShutdownRequest{}, kPatience);
  } else {
    connection.ask(control::StopJobRequest{}, kPatience);
  }
  if (options.json) {
    const ordered_json json = {{"endpoint", options.endpoint},
                               {"stopped", options.shutdown ? "daemon" : "job"}};
    std::puts(json.dump(2).c_str());
  } else {
    fmt::print("The daemon at {} {}.\n", options.endpoint,
               options.shutdown ? "ends" : "has dropped its job and is idle");
  }
  return kDone;
}

CLI::App* add(CLI::App& program, const char* name, const char* help, ToOptions& options) {
  CLI::App* command = program.add_subcommand(name, help);
  command->add_option("--to", options.endpoint, "HOST:PORT of the daemon")->required();
  add_identity_options(*command, options.identity);
  command->add_flag("--json", options.json, "print one JSON object");
  return command;
}

}  // namespace

void add_status_command(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<ToOptions>();
  CLI::App* command = add(program, "status", "what a daemon is doing, and at what cost", *options);
  command->footer("Example: kith status --to 127.0.0.1:7400");
  command->callback([options, &chosen] { chosen = [options] { return status(*options); }; });
}

void add_stop_command(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<ToOptions>();
  CLI::App* command = add(program, "stop", "make a daemon drop its job, or end it", *options);
  CLI::Option* shutdown =
      command->add_flag("--shutdown", options->shutdown, "end the daemon itself, too");
  command
      ->add_flag("--all", options->all,
                 "the same run on all daemons of its swarm, not on one alone")
      ->excludes(shutdown);
  command->footer(
      "Examples: kith stop --to 127.0.0.1:7400\n"
      "          kith stop --to 10.0.0.5:7400 --all");
  command->callback([options, &chosen] { chosen = [options] { return stop(*options); }; });
}

}  // namespace kith
