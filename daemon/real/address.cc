#include "daemon/real/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <memory>

#include "topology/error.h"

namespace kith {

namespace {

std::string dotted_of(const sockaddr* address) {
  char text[INET_ADDRSTRLEN] = "";
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
  inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
  return text;
}

std::string abstract_name(const std::string& dotted, uint16_t port) {
  return "kith-" + dotted + "-" + std::to_string(port);
}

}  // namespace

Address parse_address(const std::string& text) {
  const OperatorError wrong("'" + text + "' is no address: it must be HOST:PORT, for example " +
                            "127.0.0.1:7400.");
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size()) throw wrong;
  Address address;
  address.host = text.substr(0, colon);
  if (address.host.find_first_of(":[]/ ") != std::string::npos) throw wrong;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, address.port);
  if (error != std::errc() || stop != end) throw wrong;
  return address;
}

std::string resolve(const std::string& host) {
  if (host == "localhost") return "127.0.0.1";  // RFC 6761, 6.3; a bare system has no /etc/hosts
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0 || found == nullptr) {
    throw OperatorError("The host '" + host + "' has no IPv4 address: " + gai_strerror(error) +
                        ".");
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  return dotted_of(found->ai_addr);
}

bool is_dotted(const std::string& host) {
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

// Connecting a datagram socket sends nothing, but makes the kernel choose.
std::string address_towards(const std::string& dotted) {
  sockaddr_in there{};
  there.sin_family = AF_INET;
  there.sin_port = htons(9);  // any
  if (inet_pton(AF_INET, dotted.c_str(), &there.sin_addr) != 1) return {};
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {};
  sockaddr_storage here{};
  socklen_t size = sizeof here;
  auto* own = reinterpret_cast<sockaddr*>(&here);
  const bool known = connect(fd, reinterpret_cast<const sockaddr*>(&there), sizeof there) == 0 &&
                     getsockname(fd, own, &size) == 0;
  close(fd);
  return known ? dotted_of(own) : std::string();
}

std::vector<std::string> local_addresses() {
  std::vector<std::string> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {"127.0.0.1"};
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, freeifaddrs);
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr != nullptr && i->ifa_addr->sa_family == AF_INET) {
      addresses.push_back(dotted_of(i->ifa_addr));
    }
  }
  std::ranges::sort(addresses);
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

bool is_local(const std::string& dotted) {
  if (dotted.starts_with("127.")) return true;
  const std::vector<std::string> addresses = local_addresses();
  return std::ranges::find(addresses, dotted) != addresses.end();
}

std::string ipc_endpoint(const std::string& dotted, uint16_t port) {
  return "ipc://@" + abstract_name(dotted, port);
}

bool ipc_answers(const std::string& dotted, uint16_t port) {
  const std::string name = abstract_name(dotted, port);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // An abstract name begins with a zero byte, which stands already.
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const bool answers = connect(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0;
  close(fd);
  return answers;
}

std::string tcp_endpoint(const std::string& dotted, uint16_t port) {
  return "tcp://" + dotted + ":" + std::to_string(port);
}

}  // namespace kith
