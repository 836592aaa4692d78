// "HOST:PORT" as the operator writes it, and what it means on this machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kith {

struct Address {
  std::string host;  // a name or an IPv4 address
  uint16_t port = 0;

  std::string text() const { return host + ":" + std::to_string(port); }
};

// Throws OperatorError.
Address parse_address(const std::string& text);

// The IPv4 address of a host, dotted. May ask a name server: not for the loop. Throws
// OperatorError.
std::string resolve(const std::string& host);

// "10.0.0.5" and the like, which need no name server.
bool is_dotted(const std::string& host);

// This machine's own address, dotted, on the way to another; empty where no way leads there.
std::string address_towards(const std::string& dotted);

// Dotted IPv4 addresses of this machine's interfaces, loopback included.
std::vector<std::string> local_addresses();

// True for 127.0.0.0/8 and the addresses of this machine's interfaces.
bool is_local(const std::string& dotted);

// ZeroMQ endpoint of the daemon that listens on this dotted address of this machine: a Unix socket
// in the abstract namespace, so that nothing is left behind in the file system.
std::string ipc_endpoint(const std::string& dotted, uint16_t port);

// Whether a process of this machine listens there right now.
bool ipc_answers(const std::string& dotted, uint16_t port);

std::string tcp_endpoint(const std::string& dotted, uint16_t port);

}  // namespace kith
