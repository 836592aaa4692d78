#include "daemon/trust/members.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

#include "protocol/limits.h"
#include "topology/error.h"

namespace kith {

namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr size_t kTitleDigits = 12;  // of a key, where it has no name

std::string_view next_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

std::optional<Role> role_of(std::string_view word) {
  if (word == "peer") return Role::kPeer;
  if (word == "viewer") return Role::kViewer;
  if (word == "operator") return Role::kOperator;
  return std::nullopt;
}

bool is_address(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return false;
  const std::string_view port = text.substr(colon + 1);
  uint16_t number = 0;
  const auto [stop, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return error == std::errc() && stop == port.data() + port.size() && number > 0;
}

// The comment behind a member, as one printable word or more.
std::string name_of(std::string_view comment) {
  comment.remove_prefix(std::min(comment.find_first_not_of("# \t\r"), comment.size()));
  while (!comment.empty() && kBlanks.find(comment.back()) != kBlanks.npos) comment.remove_suffix(1);
  return std::string(comment);
}

// Nothing for a line without a member.
std::optional<Member> member_of(std::string_view line, const std::string& where) {
  const std::string_view first = next_word(line);
  if (first.empty() || first.front() == '#') return std::nullopt;
  const std::optional<Role> role = role_of(first);
  if (!role) {
    throw OperatorError(where + " begins with '" + std::string(first) +
                        "', which is no role: peer, operator and viewer are.");
  }
  const std::string_view digits = next_word(line);
  const std::optional<PublicKey> key = parse_public_key(digits);
  if (!key) {
    throw OperatorError(where + " has no public key behind its role: it must be the 64 " +
                        "hexadecimal digits that kith keygen prints.");
  }
  Member member{*role, *key, {}, {}};
  std::string_view rest = line;
  std::string_view word = next_word(rest);
  if (!word.empty() && word.front() != '#') {
    if (!is_address(word)) {
      throw OperatorError(where + " has '" + std::string(word) +
                          "' where an address belongs: HOST:PORT, such as 10.0.0.5:7400.");
    }
    member.address = word;
    line = rest;
    word = next_word(rest);
  }
  if (!word.empty() && word.front() != '#') {
    throw OperatorError(where + " goes on with '" + std::string(word) +
                        "' behind the address: a name begins with #.");
  }
  member.name = name_of(line);
  return member;
}

}  // namespace

const char* role_name(Role role) {
  switch (role) {
    case Role::kPeer: return "peer";
    case Role::kViewer: return "viewer";
    case Role::kOperator: break;
  }
  return "operator";
}

std::string Member::title() const {
  return name.empty() ? key.text().substr(0, kTitleDigits) : name;
}

Members::Members(std::string_view text, const std::string& path) : path_(path) {
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::string where = "Line " + std::to_string(number) + " of '" + path + "'";
    if (std::optional<Member> member = member_of(line, where)) add(std::move(*member), where);
  }
  if (members_.empty()) {
    throw OperatorError("'" + path + "' lists nobody: it needs lines such as " +
                        "'peer KEY 10.0.0.5:7400' and 'operator KEY'.");
  }
}

void Members::add(Member member, const std::string& where) {
  if (!member.address.empty() && member.role != Role::kPeer) {
    throw OperatorError(where + " gives an address to " + role_name(member.role) + " '" +
                        member.title() + "': only peers are connected to.");
  }
  if (members_.size() >= limits::kMembers) {
    throw OperatorError("'" + path_ + "' lists more than " + std::to_string(limits::kMembers) +
                        " members.");
  }
  if (const Member* same = find(member.key)) {
    if (same->role != member.role || same->address == member.address) {
      throw OperatorError(where + " lists a key that stands above already, as " +
                          role_name(same->role) +
                          ": a key has one role, and several lines for several addresses alone.");
    }
  }
  if (!member.address.empty() && !by_address_.try_emplace(member.address, members_.size()).second) {
    throw OperatorError(where + " gives another key to " + member.address +
                        ", which has one above already.");
  }
  by_key_.try_emplace(member.key, members_.size());
  members_.push_back(std::move(member));
}

const Member* Members::find(const PublicKey& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &members_[found->second];
}

const Member* Members::at(const std::string& address) const {
  const auto found = by_address_.find(address);
  return found == by_address_.end() ? nullptr : &members_[found->second];
}

Members read_members(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    return OperatorError("The members file '" + path + "' cannot be read: " + why + ".");
  };
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw refuse(strerror(errno));
  struct stat facts {};
  std::string text;
  char part[65536];
  ssize_t got = 0;
  const bool file = fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode);
  while (file && text.size() <= limits::kMembersBytes && (got = read(fd, part, sizeof part)) > 0) {
    text.append(part, static_cast<size_t>(got));
  }
  const int error = errno;
  close(fd);
  if (!file) throw refuse("it is no file");
  if (got < 0) throw refuse(strerror(error));
  if (text.size() > limits::kMembersBytes) throw refuse("it is too long");
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw OperatorError("The members file '" + path +
                        "' can be changed by others than its owner: who writes it decides who is "
                        "let in, so chmod go-w it.");
  }
  return Members(text, path);
}

}  // namespace kith
