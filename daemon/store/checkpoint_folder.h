// What one daemon keeps on its disk of the run that it is in, to go on after a crash.
//
//   run                       the run as the client handed it out, and how often it has gone on
//   batches                   of a run with privacy: how many may have been computed by now
//   <round>[-[<last>]].safetensors   a Checkpoint: vectors as tensors, numbers in the metadata,
//                             whose it is, and a checksum over all; those that somebody may need.
//                             The name is the Restart; "-" alone: it serves any later round
// Every file is written whole or not at all. Not thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/store/safetensors.h"
#include "protocol/archive.h"
#include "protocol/effect.h"

namespace kith {

class CheckpointFolder {
 public:
  // What is needed to go on from the newest so many of the rounds in which nodes keep a state: one
  // is damaged, one was missed by a slow disk, one is being written.
  static constexpr size_t kKept = 4;

  // Makes the folder. Throws OperatorError where that cannot be.
  explicit CheckpointFolder(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }

  // `run`: any bytes that say which run it is, for read_run(). `owner` stands for the run and the
  // node: checkpoints of others are none. A new run makes all that is there pointless. Throws
  // OperatorError.
  void begin(const std::string& run, uint64_t owner);
  // The same run goes on.
  void go_on(const std::string& run, uint64_t owner);
  std::optional<std::string> read_run() const;

  // Lets go of those that nobody needs any more, where nodes can be `apart` rounds apart: who is
  // ahead keeps what the slowest can go on from. Throws OperatorError when the disk refuses.
  void add(const Checkpoint& checkpoint, Round apart = 0);

  // Those that are whole, newest first. Others are damaged, or no checkpoints: passed over.
  std::vector<Restart> entries() const;

  // Of one of these; null where it cannot be read any more. `dimension`: floats of a vector; the
  // pool outlives the archive.
  std::unique_ptr<Archive> read(const Restart& entry, size_t dimension, Pool& pool) const;

  // Of all that this node may have computed in the run, checkpoint or not: never too few. 0 = it
  // was never said. The first throws OperatorError when the disk refuses. To be called beside
  // anything but begin() and clear().
  void say_batches(uint64_t batches) const;
  uint64_t batches() const;

  // The run is over: nothing is left to go on from.
  void clear();

 private:
  std::filesystem::path file_of(const Restart& entry) const;
  std::vector<Restart> listed() const;
  std::optional<StoredTensors> read_whole(const Restart& entry) const;

  std::filesystem::path path_;
  uint64_t owner_ = 0;
};

// Which of these, newest first, a node goes on from where the run does so from `round`. Nothing if
// there is none.
std::optional<Restart> serving(const std::vector<Restart>& entries, Round round);

// Those of them that no multiple of `every` can ask for, and all but the newest few of the others.
std::vector<Restart> needless(const std::vector<Restart>& entries, Round every, Round apart);

}  // namespace kith
