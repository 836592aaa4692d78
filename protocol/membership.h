// Who is in a swarm, as one daemon sees it: SWIM (Das, Gupta, Motivala, DSN 2002) as a pure table.
//
// Once a period a member probes one other, in an order drawn anew for each pass over all: a ping,
// and where its ack does not come in time, pings through `helpers` others. Who answers neither is
// suspected; who does not refute that within suspicion() is dead. Only the member itself raises its
// incarnation, which is how it refutes; of two rumours the higher incarnation counts, then the
// worse news. Rumours travel on pings and acks, each 3 log2(n + 1) times.
//
// Beside the paper:
//   - an ack is late by the history of its own edge (mean + 4 deviations, as TCP has it), not by a
//     constant;
//   - a suspect hears of it from who suspects it, in a ping each period;
//   - a member that finds that it was away itself (asleep, stopped) blames nobody for that time;
//   - members compare their whole lists now and then, and also ask the dead, until they are
//     forgotten: so that two halves of a network that was cut become one swarm again.
//
// Cost: two small packets a member and period, whatever the size of the swarm; O(n) memory.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/status.h"
#include "protocol/time.h"
#include "topology/rng.h"

namespace kith::swarm {

enum class State : uint8_t {
  kAlive,
  kSuspect,  // has not answered, and has not refuted that yet
  kDead,
  kLeft,  // has said goodbye
};
const char* state_name(State state);

// What one member says of another, or of itself.
struct Rumour {
  std::string address;  // "HOST:PORT", as the others reach it: what tells members apart
  State state = State::kAlive;
  uint64_t incarnation = 0;
  std::string name;     // for people
  std::string version;  // of kithd
  std::string key;      // public, as text; empty without keys
};

struct Packet {
  enum class Kind : uint8_t {
    kPing,        // answer with an ack
    kAck,         // `subject` has answered
    kRelay,       // ping `subject` for me
    kSync,        // all that the sender knows: answer with all that you know
    kSyncAnswer,  // `subject` is the address that was asked
  };
  Kind kind = Kind::kPing;
  std::string swarm;  // its name: swarms of different names do not mix
  std::string from;
  std::string to;
  std::string subject;
  uint64_t sequence = 0;        // of the sender's ping; an ack has that of the ping
  std::vector<Rumour> rumours;  // of the sender itself first
};

struct Member {
  Rumour rumour;
  Time since{};  // in this state, as far as this daemon knows
};

struct Policy {
  Duration period = std::chrono::milliseconds(500);   // between two probes of a member
  Duration initial = std::chrono::milliseconds(300);  // patience with an edge without history
  Duration floor = std::chrono::milliseconds(100);    // shortest: a busy machine is late, not dead
  Duration ceiling = std::chrono::seconds(5);         // longest
  Duration forget = std::chrono::minutes(10);         // after which the dead leave the table
  uint32_t helpers = 3;                               // k of the paper
  uint32_t rumours = 8;                               // of a ping or ack, beside the sender's own
  uint32_t sync_every = 16;                           // periods between comparisons of whole lists
  uint32_t look_back_every = 8;  // periods between two questions to the dead and the first hosts
};

class Membership {
 public:
  // `self`: address empty = not known yet, then nothing is said. `seed`: whom it draws to probe.
  Membership(std::string swarm, Rumour self, uint64_t seed, Policy policy = {});

  const Policy& policy() const { return policy_; }
  const std::string& swarm() const { return swarm_; }
  const Rumour& self() const { return self_; }
  void set_address(const std::string& address) { self_.address = address; }

  // Where another member may be. A first host is asked again and again until it answers, and
  // whenever it is not alive; a hint is asked once.
  void add_first_host(const std::string& address);
  void hint(const std::string& address);

  // When tick() wants to be called next; it may be called earlier.
  Time due() const;
  void tick(Time now, std::vector<Packet>& out);

  // Untrusted, but of who it says it is. kOversized, kMalformed; kWrongJob where it is another
  // swarm's.
  Status heard(const Packet& packet, Time now, std::vector<Packet>& out);

  // Farewells to a few, who tell the others. Nothing is said afterwards.
  void leave(std::vector<Packet>& out);

  bool knows(const std::string& address) const { return others_.contains(address); }
  // All others, by address.
  std::vector<Member> others() const;

  // What has become of others since the last call, in order.
  std::vector<Rumour> take_changes();

  // From the suspicion of a member to its death, unless it refutes.
  Duration suspicion(const std::string& address) const;
  // How long a ping to it may go unanswered.
  Duration patience(const std::string& address) const;

 private:
  struct Edge {
    bool known = false;
    Duration mean{};  // of round trips
    Duration deviation{};
  };
  struct Entry {
    Member member;
    Time dies{};        // of a suspect
    bool mine = false;  // this daemon has found it silent itself
    Edge edge;
  };
  struct Probe {
    std::string subject;
    uint64_t sequence = 0;
    Time asked{};
    Time relays{};  // when others are asked to ping it
    Time judged{};  // when it is suspected
    bool relayed = false;
    bool over = false;  // answered, or judged: kept for what a late ack teaches
  };
  struct Relayed {
    std::string asker;
    uint64_t asked = 0;  // the asker's sequence
    std::string subject;
    uint64_t sequence = 0;
    Time until{};
  };
  struct FirstHost {
    std::string asked;     // as the operator wrote it
    std::string answered;  // as it calls itself; empty = not yet
  };

  void forgive_absence(Time now);
  void begin_period(Time now, std::vector<Packet>& out);
  void probe_next(Time now, std::vector<Packet>& out);
  void probe(const std::string& subject, Time now, std::vector<Packet>& out);
  void look_back(std::vector<Packet>& out);
  void ask_helpers(Probe& probe, std::vector<Packet>& out);
  void judge(Probe& probe, Time now);
  void bury(Time now);
  void answer(const Packet& packet, Time now, std::vector<Packet>& out);
  void relay(const Packet& packet, Time now, std::vector<Packet>& out);
  void take_ack(const Packet& packet, Time now, std::vector<Packet>& out);
  void take_host(const Packet& packet);
  void learn(const Rumour& rumour, Time now);
  void learn_of_self(const Rumour& rumour);
  void set(Entry& entry, const Rumour& rumour, Time now);
  void spread(const std::string& address);
  Packet addressed(Packet::Kind kind, const std::string& to) const;
  void add_rumours(Packet& packet);
  void add_all(Packet& packet) const;
  void sync(const std::string& to, std::vector<Packet>& out);
  std::vector<std::string> draw(size_t count, std::string_view without);
  uint32_t rounds_of_log() const;

  std::string swarm_;
  Rumour self_;
  Policy policy_;
  Rng rng_;
  std::map<std::string, Entry, std::less<>> others_;
  std::map<std::string, uint32_t> spreading_;  // how often each is still told; self among them
  std::vector<std::string> order_;             // yet to be probed in this pass
  std::vector<Probe> probes_;
  std::vector<Relayed> relayed_;
  std::vector<FirstHost> first_hosts_;
  std::vector<std::string> hints_;
  std::vector<Rumour> changes_;
  uint64_t sequence_ = 0;
  uint64_t periods_ = 0;
  uint64_t looked_back_ = 0;
  Time next_period_{};
  bool left_ = false;
};

}  // namespace kith::swarm
