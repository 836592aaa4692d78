#include "daemon/real/checkpoints.h"

#include <xxhash.h>

#include "protocol/limits.h"
#include "topology/error.h"

namespace kith {

Checkpoints::Checkpoints(Loop& loop, Log& log, std::filesystem::path folder)
    : loop_(loop), log_(log), folder_(std::move(folder)) {}

// The file holds the start request as it travels, with the generation for its id.
std::optional<RunStart> Checkpoints::unfinished() {
  const std::lock_guard lock(mutex_);
  const std::optional<std::string> frame = folder_.read_run();
  if (!frame) return std::nullopt;
  uint64_t generation = 0;
  control::Request request;
  const std::span<const char> bytes = *frame;
  const Status status = control::decode_request(std::as_bytes(bytes), generation, request);
  auto* start = std::get_if<control::StartRequest>(&request);
  if (!status.ok() || start == nullptr || generation >= limits::kGenerations) {
    log_.warning("unreadable_run", {{"folder", folder_.path().string()}});
    return std::nullopt;
  }
  return RunStart{std::move(*start), static_cast<uint32_t>(generation)};
}

uint64_t run_hash(const control::StartRequest& request) {
  const uint64_t text = XXH3_64bits(request.job.data(), request.job.size());
  const uint64_t parts[] = {text, request.nodes, request.run};
  return XXH3_64bits(parts, sizeof parts);
}

void Checkpoints::begin(const RunStart& start, Round apart) {
  const std::lock_guard lock(mutex_);
  ++epoch_;
  newest_ = 0;
  apart_ = apart;
  const std::string frame = control::encode_request(start.generation, start.request);
  const uint64_t owner = run_hash(start.request) + index_of(start.request.node);
  start.generation == 0 ? folder_.begin(frame, owner) : folder_.go_on(frame, owner);
}

std::vector<Restart> Checkpoints::entries() {
  const std::lock_guard lock(mutex_);
  return folder_.entries();
}

std::unique_ptr<Archive> Checkpoints::read(const Restart& entry, size_t dimension, Pool& pool) {
  const std::lock_guard lock(mutex_);
  return folder_.read(entry, dimension, pool);
}

void Checkpoints::submit(std::function<void()> task) {
  ++waiting_;
  writer_.submit([this, epoch = epoch_.load(), task = std::move(task)](Workspace&) {
    {
      const std::lock_guard lock(mutex_);
      if (epoch == epoch_) task();
    }
    --waiting_;
  });
}

void Checkpoints::keep(Checkpoint&& checkpoint) {
  if (waiting_ >= kMostWaiting) {
    log_.warning("checkpoint_missed", {{"round", std::to_string(checkpoint.round)}});
    return;
  }
  submit([this, checkpoint = std::move(checkpoint)] {
    try {
      folder_.add(checkpoint, apart_);
      newest_ = checkpoint.round;
    } catch (const OperatorError& error) {
      loop_.post([&log = log_, why = std::string(error.what())] {
        log.warning("checkpoint_failed", {{"why", why}});
      });
    }
  });
}

bool Checkpoints::say_batches(uint64_t batches) {
  try {
    folder_.say_batches(batches);
    return true;
  } catch (const OperatorError& error) {
    log_.warning("batches_not_counted", {{"why", error.what()}});
    return false;
  }
}

uint64_t Checkpoints::batches() const {
  try {
    return folder_.batches();
  } catch (const OperatorError& error) {
    log_.warning("batches_not_counted", {{"why", error.what()}});
    return 0;
  }
}

void Checkpoints::run_is_over() {
  submit([this] { folder_.clear(); });
}

}  // namespace kith
