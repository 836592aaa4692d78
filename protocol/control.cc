// Frame grammar:
//
//   request = { "kith": version, "id": uint, "ask": name, field: value ... }    one MessagePack map
//   reply   = { "kith": version, "id": uint, "answer": name, field: value ... }
//             SnapshotReply and ModelReply are followed by a raw frame of `bytes` bytes
//
// The fields of each struct are listed once, in `fields`, for both directions.
#include "protocol/control.h"

#define MSGPACK_NO_BOOST
#include <array>
#include <exception>
#include <msgpack.hpp>
#include <stdexcept>
#include <type_traits>

#include "protocol/limits.h"

namespace kith::control {

namespace {

// Deepest legitimate nesting: reply > progress > counters > refused > pair.
constexpr size_t kDepth = 8;

// ---- the fields ----
// A is Counter, Writer or Reader; Ref<A, T> is const T& for the first two and T& for Reader.

template <typename A, typename T>
using Ref = std::conditional_t<A::kReads, T&, const T&>;

template <typename A>
void fields(A&, Ref<A, HelloRequest>) {}
template <typename A>
void fields(A&, Ref<A, StatusRequest>) {}
template <typename A>
void fields(A&, Ref<A, StopJobRequest>) {}
template <typename A>
void fields(A&, Ref<A, ShutdownRequest>) {}
template <typename A>
void fields(A&, Ref<A, NodesRequest>) {}
template <typename A>
void fields(A&, Ref<A, ModelRequest>) {}
template <typename A>
void fields(A&, Ref<A, OkReply>) {}

template <typename A>
void fields(A& a, Ref<A, swarm::Rumour> r) {
  a("address", r.address);
  a("state", r.state);
  a("incarnation", r.incarnation);
  a("name", r.name);
  a("version", r.version);
  a("key", r.key);
}

template <typename A>
void fields(A& a, Ref<A, swarm::Packet> r) {
  a("kind", r.kind);
  a("swarm", r.swarm);
  a("from", r.from);
  a("to", r.to);
  a("subject", r.subject);
  a("sequence", r.sequence);
  a("rumours", r.rumours);
}

template <typename A>
void fields(A& a, Ref<A, GossipRequest> r) {
  a("packet", r.packet);
}

template <typename A>
void fields(A& a, Ref<A, NodeEntry> r) {
  a("address", r.address);
  a("state", r.state);
  a("seconds", r.seconds);
  a("incarnation", r.incarnation);
  a("name", r.name);
  a("version", r.version);
  a("key", r.key);
}

template <typename A>
void fields(A& a, Ref<A, NodesReply> r) {
  a("swarm", r.swarm);
  a("nodes", r.nodes);
}

template <typename A>
void fields(A& a, Ref<A, PeerAddress> r) {
  a("node", r.node);
  a("endpoint", r.endpoint);
}

template <typename A>
void fields(A& a, Ref<A, StartRequest> r) {
  a("job", r.job);
  a("node", r.node);
  a("nodes", r.nodes);
  a("peers", r.peers);
  a("run", r.run);
}

template <typename A>
void fields(A& a, Ref<A, ProgressRequest> r) {
  a("first_report", r.first_report);
}

template <typename A>
void fields(A& a, Ref<A, SnapshotRequest> r) {
  a("round", r.round);
}

template <typename A>
void fields(A& a, Ref<A, ErrorReply> r) {
  a("message", r.message);
}

template <typename A>
void fields(A& a, Ref<A, HelloReply> r) {
  a("version", r.version);
  a("pid", r.pid);
  a("phase", r.phase);
  a("job", r.job);
  a("node", r.node);
  a("nodes", r.nodes);
}

template <typename A>
void fields(A& a, Ref<A, Counters> r) {
  a("messages_sent", r.messages_sent);
  a("messages_received", r.messages_received);
  a("bytes_sent", r.bytes_sent);
  a("bytes_received", r.bytes_received);
  a("payload_bytes_sent", r.payload_bytes_sent);
  a("uncompressed_bytes_sent", r.uncompressed_bytes_sent);
  a("repairs_requested", r.repairs_requested);
  a("messages_resent", r.messages_resent);
  a("batches", r.batches);
  a("encode_seconds", r.encode_seconds);
  a("decode_seconds", r.decode_seconds);
  a("messages_lost", r.messages_lost);
  a("refused", r.refused);
}

template <typename A>
void fields(A& a, Ref<A, ReportEntry> r) {
  a("round", r.round);
  a("loss", r.loss);
  a("seconds", r.seconds);
  a("unix_time", r.unix_time);
  a("bytes_sent", r.bytes_sent);
  a("bytes_received", r.bytes_received);
  a("disagreement", r.disagreement);
  a("snapshot", r.snapshot);
}

template <typename A>
void fields(A& a, Ref<A, Measures> r) {
  a("staleness", r.staleness);
  a("applied", r.applied);
  a("staleness_sum", r.staleness_sum);
  a("late", r.late);
  a("sent", r.sent);
  a("spared", r.spared);
  a("spared_bytes", r.spared_bytes);
  a("waits_for", r.waits_for);
  a("local_steps", r.local_steps);
  a("levels", r.levels);
}

template <typename A>
void fields(A& a, Ref<A, EdgeTraffic> r) {
  a("peer", r.peer);
  a("messages_sent", r.messages_sent);
  a("messages_received", r.messages_received);
  a("bytes_sent", r.bytes_sent);
  a("bytes_received", r.bytes_received);
  a("payload_bytes_sent", r.payload_bytes_sent);
  a("uncompressed_bytes_sent", r.uncompressed_bytes_sent);
  a("decode_seconds", r.decode_seconds);
  a("repairs_requested", r.repairs_requested);
}

template <typename A>
void fields(A& a, Ref<A, SilentPeer> r) {
  a("node", r.node);
  a("endpoint", r.endpoint);
  a("seconds", r.seconds);
}

template <typename A>
void fields(A& a, Ref<A, ProgressReply> r) {
  a("phase", r.phase);
  a("error", r.error);
  a("run", r.run);
  a("round", r.round);
  a("rounds", r.rounds);
  a("loss", r.loss);
  a("seconds", r.seconds);
  a("unix_start", r.unix_start);
  a("counters", r.counters);
  a("edges", r.edges);
  a("measures", r.measures);
  a("silent", r.silent);
  a("reports", r.reports);
  a("next_report", r.next_report);
}

template <typename A>
void fields(A& a, Ref<A, SnapshotReply> r) {
  a("round", r.round);
  a("bytes", r.bytes);
}

template <typename A>
void fields(A& a, Ref<A, TensorSpec> r) {
  a("name", r.name);
  a("shape", r.shape);
}

template <typename A>
void fields(A& a, Ref<A, ModelReply> r) {
  a("start", r.start);
  a("phase", r.phase);
  a("round", r.round);
  a("tensors", r.tensors);
  a("bytes", r.bytes);
}

template <typename A>
void fields(A& a, Ref<A, PeerStatus> r) {
  a("node", r.node);
  a("endpoint", r.endpoint);
  a("transport", r.transport);
  a("silence", r.silence);
  a("queued_bytes", r.queued_bytes);
  a("left", r.left);
  a("round", r.round);
}

template <typename A>
void fields(A& a, Ref<A, StatusReply> r) {
  a("version", r.version);
  a("pid", r.pid);
  a("listen", r.listen);
  a("threads", r.threads);
  a("uptime", r.uptime);
  a("cpu_seconds", r.cpu_seconds);
  a("resident_bytes", r.resident_bytes);
  a("pool_bytes", r.pool_bytes);
  a("shard_bytes", r.shard_bytes);
  a("snapshot_bytes", r.snapshot_bytes);
  a("job", r.job);
  a("model", r.model);
  a("algorithm", r.algorithm);
  a("graph", r.graph);
  a("codec", r.codec);
  a("checkpoint", r.checkpoint);
  a("injected", r.injected);
  a("aggregate", r.aggregate);
  a("adversary", r.adversary);
  a("node", r.node);
  a("nodes", r.nodes);
  a("parameters", r.parameters);
  a("shard_rows", r.shard_rows);
  a("data", r.data);
  a("own_data", r.own_data);
  a("peers", r.peers);
  a("progress", r.progress);
}

// ---- writing ----

class Counter {
 public:
  static constexpr bool kReads = false;
  template <typename T>
  void operator()(const char*, const T&) {
    ++count;
  }
  uint32_t count = 0;
};

struct StringSink {
  std::string bytes;
  void write(const char* data, size_t size) { bytes.append(data, size); }
};

class Writer {
 public:
  static constexpr bool kReads = false;
  explicit Writer(StringSink& sink) : pack_(sink) {}

  template <typename T>
  void operator()(const char* name, const T& value) {
    pack_.pack(name);
    write(value);
  }

  // `extra` = keys that the caller writes first.
  template <typename T>
  void open(const T& record, uint32_t extra) {
    Counter counter;
    fields(counter, record);
    pack_.pack_map(counter.count + extra);
  }

 private:
  void write(NodeId value) { pack_.pack(index_of(value)); }
  template <typename T>
  requires std::is_enum_v<T>
  void write(const T& value) { pack_.pack(static_cast<uint8_t>(value)); }
  void write(const std::optional<Round>& value) {
    if (value) {
      pack_.pack(*value);
    } else {
      pack_.pack_nil();
    }
  }
  void write(const std::pair<std::string, uint64_t>& value) {
    pack_.pack_array(2);
    pack_.pack(value.first);
    pack_.pack(value.second);
  }
  // A histogram, up to its last bin that is not 0.
  void write(const std::array<uint64_t, Measures::kBins>& bins) {
    size_t used = bins.size();
    while (used > 0 && bins[used - 1] == 0) --used;
    pack_.pack_array(static_cast<uint32_t>(used));
    for (size_t i = 0; i < used; ++i) pack_.pack(bins[i]);
  }
  template <typename T>
  void write(const std::vector<T>& values) {
    pack_.pack_array(static_cast<uint32_t>(values.size()));
    for (const T& value : values) write(value);
  }
  template <typename T>
  void write(const T& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
      pack_.pack(value);
    } else {
      open(value, 0);
      fields(*this, value);
    }
  }

  msgpack::packer<StringSink> pack_;
};

// ---- reading: exceptions stay inside decode() ----

// The last value of each enumeration that travels.
template <typename T>
constexpr T kLast = T::kFailed;
template <>
constexpr swarm::State kLast<swarm::State> = swarm::State::kLeft;
template <>
constexpr swarm::Packet::Kind kLast<swarm::Packet::Kind> = swarm::Packet::Kind::kSyncAnswer;

class Reader {
 public:
  static constexpr bool kReads = true;
  explicit Reader(const msgpack::object& map) : map_(map) {
    if (map.type != msgpack::type::MAP) throw std::invalid_argument("not a map");
  }

  template <typename T>
  void operator()(const char* name, T& value) {
    read(find(name), value);
  }

 private:
  const msgpack::object& find(std::string_view name) const {
    for (uint32_t i = 0; i < map_.via.map.size; ++i) {
      const msgpack::object_kv& entry = map_.via.map.ptr[i];
      if (entry.key.type != msgpack::type::STR) continue;
      if (std::string_view(entry.key.via.str.ptr, entry.key.via.str.size) == name) return entry.val;
    }
    throw std::invalid_argument("a key is missing");
  }

  static void read(const msgpack::object& from, NodeId& value) {
    value = NodeId{from.as<uint32_t>()};
    if (index_of(value) >= limits::kNodes) throw std::invalid_argument("node out of range");
  }
  template <typename T>
  requires std::is_enum_v<T>
  static void read(const msgpack::object& from, T& value) {
    const auto number = from.as<uint8_t>();
    if (number > static_cast<uint8_t>(kLast<T>)) throw std::invalid_argument("out of range");
    value = T{number};
  }
  static void read(const msgpack::object& from, std::optional<Round>& value) {
    value.reset();
    if (!from.is_nil()) value = from.as<Round>();
  }
  static void read(const msgpack::object& from, std::pair<std::string, uint64_t>& value) {
    if (from.type != msgpack::type::ARRAY || from.via.array.size != 2) {
      throw std::invalid_argument("not a pair");
    }
    value = {from.via.array.ptr[0].as<std::string>(), from.via.array.ptr[1].as<uint64_t>()};
  }
  static void read(const msgpack::object& from, std::array<uint64_t, Measures::kBins>& bins) {
    if (from.type != msgpack::type::ARRAY || from.via.array.size > bins.size()) {
      throw std::invalid_argument("not a histogram");
    }
    bins.fill(0);
    for (uint32_t i = 0; i < from.via.array.size; ++i)
      bins[i] = from.via.array.ptr[i].as<uint64_t>();
  }
  template <typename T>
  static void read(const msgpack::object& from, std::vector<T>& values) {
    if (from.type != msgpack::type::ARRAY) throw std::invalid_argument("not an array");
    values.clear();
    for (uint32_t i = 0; i < from.via.array.size; ++i) {
      read(from.via.array.ptr[i], values.emplace_back());
    }
  }
  template <typename T>
  static void read(const msgpack::object& from, T& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
      value = from.as<T>();
    } else {
      Reader reader(from);
      fields(reader, value);
    }
  }

  const msgpack::object& map_;
};

// ---- names of the alternatives, in the order of the variants ----

constexpr const char* kRequests[] = {"hello",    "start",    "progress", "snapshot", "status",
                                     "stop_job", "shutdown", "nodes",    "gossip",   "model"};
constexpr const char* kReplies[] = {"ok",       "error",  "hello", "progress",
                                    "snapshot", "status", "nodes", "model"};
static_assert(std::size(kRequests) == std::variant_size_v<Request>);
static_assert(std::size(kReplies) == std::variant_size_v<Reply>);

// What the two directions differ in: the key and values that tell the alternatives apart.
struct Direction {
  const char* key;
  std::span<const char* const> names;
};
constexpr Direction kAsk{"ask", kRequests};
constexpr Direction kAnswer{"answer", kReplies};

template <typename V>
std::string encode(uint64_t id, const V& variant, const Direction& direction) {
  StringSink sink;
  Writer writer(sink);
  std::visit(
      [&](const auto& record) {
        writer.open(record, 3);
        writer("kith", kVersion);
        writer("id", id);
        writer(direction.key, std::string(direction.names[variant.index()]));
        fields(writer, record);
      },
      variant);
  return std::move(sink.bytes);
}

template <typename V, size_t I = 0>
bool read_alternative(const std::string& name, std::span<const char* const> names, Reader& reader,
                      V& variant) {
  if constexpr (I == std::variant_size_v<V>) {
    return false;
  } else {
    if (name != names[I]) return read_alternative<V, I + 1>(name, names, reader, variant);
    std::variant_alternative_t<I, V> record;
    fields(reader, record);
    variant = std::move(record);
    return true;
  }
}

bool refer(msgpack::type::object_type, size_t, void*) { return true; }

template <typename V>
Status decode(std::span<const std::byte> frame, const Direction& direction, uint64_t& id,
              V& variant) {
  id = 0;
  if (frame.empty()) return Reason::kTruncated;
  if (frame.size() > limits::kControlBytes) return Reason::kOversized;
  if (!is_control(frame)) return Reason::kMalformed;
  try {
    size_t offset = 0;
    bool referenced = false;
    // Every element takes a byte at least, so a length above the frame's own is a lie.
    const size_t most = frame.size();
    const msgpack::object_handle handle = msgpack::unpack(
        reinterpret_cast<const char*>(frame.data()), frame.size(), offset, referenced, refer,
        nullptr, msgpack::unpack_limit(most, most, most, most, most, kDepth));
    if (offset != frame.size()) return Reason::kOversized;
    Reader reader(handle.get());
    uint64_t read_id = 0;
    reader("id", read_id);
    id = read_id;
    uint32_t version = 0;
    reader("kith", version);
    if (version != kVersion) return Reason::kWrongVersion;
    std::string name;
    reader(direction.key, name);
    if (!read_alternative(name, direction.names, reader, variant)) return Reason::kMalformed;
    return {};
  } catch (const msgpack::insufficient_bytes&) {
    return Reason::kTruncated;
  } catch (const std::exception&) {
    return Reason::kMalformed;
  }
}

}  // namespace

const char* phase_name(Phase phase) {
  constexpr const char* kNames[] = {"idle",     "loading",  "meeting", "running",
                                    "finished", "diverged", "failed"};
  return kNames[static_cast<size_t>(phase)];
}

std::string encode_request(uint64_t id, const Request& request) {
  return encode(id, request, kAsk);
}

std::string encode_reply(uint64_t id, const Reply& reply) { return encode(id, reply, kAnswer); }

Status decode_request(std::span<const std::byte> frame, uint64_t& id, Request& request) {
  return decode(frame, kAsk, id, request);
}

Status decode_reply(std::span<const std::byte> frame, uint64_t& id, Reply& reply) {
  return decode(frame, kAnswer, id, reply);
}

bool is_control(std::span<const std::byte> frame) {
  if (frame.empty()) return false;
  const auto first = std::to_integer<uint8_t>(frame[0]);
  return (first & 0xf0) == 0x80 || first == 0xde || first == 0xdf;
}

}  // namespace kith::control
