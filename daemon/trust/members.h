// Who may do what: the file that is the same on every machine of a cluster. One member a line,
//
//   # comment
//   peer     3f0c... 10.0.0.5:7400  # the machine in the cellar
//   operator 77ab...                # Ada
//   viewer   c41d...
//
// ROLE KEY [HOST:PORT] [# name]. A peer's address is where its kithd listens, written as those who
// connect to it write it; a key may stand on several lines, one an address.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/trust/key.h"

namespace kith {

enum class Role : uint8_t {
  kPeer,      // a daemon: sends and takes messages of a run
  kViewer,    // a client that may look: status, progress, parameters
  kOperator,  // a client that may also start, stop and shut down
};
const char* role_name(Role role);

struct Member {
  Role role = Role::kViewer;
  PublicKey key;
  std::string address;  // "HOST:PORT" of a peer; empty = unknown
  std::string name;     // for people; may be empty

  // The name, or the first digits of the key.
  std::string title() const;
};

class Members {
 public:
  // `path` is for the sentences. Throws OperatorError.
  Members(std::string_view text, const std::string& path);

  const std::string& path() const { return path_; }
  size_t size() const { return members_.size(); }
  const Member& operator[](size_t index) const { return members_[index]; }
  // Of a member that stands in here.
  size_t index_of(const Member& member) const {
    return static_cast<size_t>(&member - members_.data());
  }

  // Null where it is not listed. The first of its lines.
  const Member* find(const PublicKey& key) const;
  // The peer that listens there, the address compared as text; null where none is listed.
  const Member* at(const std::string& address) const;

 private:
  void add(Member member, const std::string& where);

  std::string path_;
  std::vector<Member> members_;
  std::map<PublicKey, size_t> by_key_;
  std::map<std::string, size_t> by_address_;
};

// Throws OperatorError, also where others can change the file: who can write it decides who is let
// in.
Members read_members(const std::string& path);

}  // namespace kith
