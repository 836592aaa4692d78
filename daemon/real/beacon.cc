#include "daemon/real/beacon.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "topology/error.h"

namespace kith {

namespace {

// Of the block for one's own site (RFC 2365); the port is that of daemons, over UDP.
constexpr const char* kGroup = "239.255.74.0";
constexpr uint16_t kPort = 7400;
constexpr Duration kPause = std::chrono::seconds(2);
constexpr size_t kLongest = 512;
constexpr std::string_view kMagic = "kith-beacon 1 ";

int open_socket() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(kPort);
  any.sin_addr.s_addr = htonl(INADDR_ANY);
  // Every daemon of this machine hears every beacon.
  if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0) {
    return fd;
  }
  const std::string why = strerror(errno);
  if (fd >= 0) close(fd);
  throw OperatorError("--beacon needs UDP port " + std::to_string(kPort) +
                      ", which cannot be had: " + why + ".");
}

in_addr dotted(const std::string& text) {
  in_addr address{};
  inet_pton(AF_INET, text.c_str(), &address);
  return address;
}

}  // namespace

std::string beacon_text(const BeaconText& beacon) {
  return std::string(kMagic) + beacon.swarm + " " + beacon.address + "\n";
}

std::optional<BeaconText> parse_beacon(std::string_view datagram) {
  if (!datagram.starts_with(kMagic) || !datagram.ends_with('\n')) return std::nullopt;
  datagram.remove_prefix(kMagic.size());
  datagram.remove_suffix(1);
  const size_t blank = datagram.find(' ');
  if (blank == datagram.npos) return std::nullopt;
  for (const char c : datagram) {
    if (c < ' ' || c > '~') return std::nullopt;
  }
  BeaconText beacon{std::string(datagram.substr(0, blank)),
                    std::string(datagram.substr(blank + 1))};
  try {
    if (parse_address(beacon.address).port == 0) return std::nullopt;
  } catch (const OperatorError&) {
    return std::nullopt;
  }
  return beacon;
}

Beacon::Beacon(Loop& loop, Log& log, std::string swarm, const Address& listen, Own own, Found found)
    : loop_(loop),
      log_(log),
      swarm_(std::move(swarm)),
      listen_(listen),
      own_(std::move(own)),
      found_(std::move(found)),
      fd_(open_socket()),
      timer_(loop.timer([this] { light(); })),
      watch_(loop.watch(fd_, [this] { drain(); })) {
  timer_->arm(Duration::zero());
}

Beacon::~Beacon() {
  watch_.reset();
  close(fd_);
}

// A daemon that listens on one address is reached over its interface alone.
bool Beacon::speaks_on(const std::string& interface) const {
  if (listen_.host == "0.0.0.0" || listen_.host == "*") return !interface.starts_with("127.");
  return interface == listen_.host;
}

void Beacon::light() {
  timer_->arm(kPause);
  for (const std::string& interface : local_addresses()) {
    if (!speaks_on(interface)) continue;
    if (joined_.insert(interface).second) {  // one that has come since the last time, too
      const ip_mreq request{dotted(kGroup), dotted(interface)};
      const bool joined =
          setsockopt(fd_, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request) == 0;
      if (!joined && errno != EADDRINUSE) {
        log_.warning("no_beacon", {{"interface", interface}, {"why", strerror(errno)}});
      }
    }
    const std::string own = own_();
    send_on(interface, own.empty() ? Address{interface, listen_.port}.text() : own);
  }
}

// What cannot be sent now is sent again soon.
void Beacon::send_on(const std::string& interface, const std::string& address) {
  const in_addr from = dotted(interface);
  if (setsockopt(fd_, IPPROTO_IP, IP_MULTICAST_IF, &from, sizeof from) != 0) return;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(kPort);
  to.sin_addr = dotted(kGroup);
  const std::string text = beacon_text({swarm_, address});
  (void)sendto(fd_, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

void Beacon::drain() {
  char datagram[kLongest];
  for (;;) {
    const ssize_t size = recv(fd_, datagram, sizeof datagram, 0);
    if (size < 0) return;
    const auto beacon = parse_beacon({datagram, static_cast<size_t>(size)});
    if (beacon && beacon->swarm == swarm_) found_(beacon->address);
  }
}

}  // namespace kith
