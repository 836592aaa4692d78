#include <fmt/format.h>
#include <string.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <zmq.hpp>

#include "client/command/command.h"
#include "daemon/trust/key_file.h"

namespace kith {

namespace {

struct KeygenOptions {
  std::string path = "kith.key";
  bool show = false;
  bool json = false;
};

constexpr size_t kZ85Text = 41;  // of 32 bytes, with the zero behind them

KeyPair fresh_keys() {
  char open[kZ85Text];
  char secret[kZ85Text];
  KeyPair keys;
  const bool made = zmq_curve_keypair(open, secret) == 0 &&
                    zmq_z85_decode(keys.open.bytes.data(), open) != nullptr &&
                    zmq_z85_decode(keys.secret.data(), secret) != nullptr;
  explicit_bzero(secret, sizeof secret);
  if (!made) throw RunFailed("the ZeroMQ library of this system was built without CURVE");
  return keys;
}

// The key alone on standard output, so that a shell can take it.
int keygen(const KeygenOptions& options) {
  if (!options.show) write_key_file(options.path, fresh_keys());
  const std::string key = read_key_file(options.path).open.text();
  if (options.json) {
    const nlohmann::ordered_json json = {{"file", options.path}, {"public", key}};
    std::puts(json.dump(2).c_str());
    return kDone;
  }
  std::puts(key.c_str());
  if (!options.show) {
    fmt::print(stderr,
               "The secret key is in {}, for its owner alone. Above is the public one, for the "
               "members file.\n",
               options.path);
  }
  return kDone;
}

}  // namespace

void add_keygen_command(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<KeygenOptions>();
  CLI::App* command = program.add_subcommand(
      "keygen", "make a secret key, for a daemon or a client, and print its public one");
  command->add_option("FILE", options->path, "the file to make; never one that exists (kith.key)");
  command->add_flag("--show", options->show, "print the public key of a FILE that exists");
  command->add_flag("--json", options->json, "print one JSON object");
  command->footer("Example: kith keygen node3.key");
  command->callback([options, &chosen] { chosen = [options] { return keygen(*options); }; });
}

}  // namespace kith
