// What a node keeps to go on after a crash: named values, and the files that hold them.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>

#include "daemon/store/checkpoint_folder.h"
#include "topology/error.h"

namespace kith {
namespace {

namespace fs = std::filesystem;

struct Part {
  uint32_t small = 0;
  double exact = 0;
  Time time{};
  bool flag = false;
  SharedBuffer vector;
  std::vector<float> moments;
  std::array<uint64_t, 3> list{};

  void persist(Archive& archive) {
    archive.number("small", small);
    archive.number("exact", exact);
    archive.number("time", time);
    archive.number("flag", flag);
    archive.vector("vector", vector);
    archive.vector("moments", moments);
    archive.numbers("list", list);
  }
};

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() : path_(fs::path(testing::TempDir()) / "kith_checkpoint_test") {
    fs::remove_all(path_);
  }
  ~CheckpointTest() override { fs::remove_all(path_); }

  Part filled() {
    Part part;
    part.small = std::numeric_limits<uint32_t>::max();
    part.exact = 0.1;
    part.time = Time(std::chrono::nanoseconds(123456789012345));
    part.flag = true;
    part.vector = copy_of(std::vector<float>{1.0f, -0.0f, 3e-42f}, pool_);
    part.moments = {4, 5, 6};
    part.list = {7, std::numeric_limits<uint64_t>::max(), 0};
    return part;
  }

  Checkpoint checkpoint(Restart restart, Round every = 10) {
    auto archive = std::make_shared<Archive>(Archive::Direction::kWrite, 3, pool_);
    Part part = filled();
    archive->part("part", part);
    return {restart, archive, every};
  }

  std::vector<Round> rounds(const CheckpointFolder& folder) {
    std::vector<Round> found;
    for (const Restart& entry : folder.entries()) found.push_back(entry.round);
    return found;
  }

  Pool pool_;
  fs::path path_;
};

TEST_F(CheckpointTest, ComesBackFromTheDiskBitForBit) {
  CheckpointFolder folder(path_);
  folder.add(checkpoint(40));
  ASSERT_EQ(folder.entries().size(), 1u);
  const std::unique_ptr<Archive> archive = folder.read(folder.entries()[0], 3, pool_);
  ASSERT_TRUE(archive);
  Part part;
  archive->part("part", part);
  EXPECT_TRUE(archive->ok());
  const Part expected = filled();
  EXPECT_EQ(part.small, expected.small);
  EXPECT_EQ(part.exact, expected.exact);
  EXPECT_EQ(part.time, expected.time);
  EXPECT_TRUE(part.flag);
  EXPECT_TRUE(std::ranges::equal(part.vector.bytes(), expected.vector.bytes()));
  EXPECT_EQ(part.moments, expected.moments);
  EXPECT_EQ(part.list, expected.list);
}

TEST_F(CheckpointTest, AnArchiveSaysWhatDoesNotFit) {
  const auto reading = [this](const Checkpoint& written, size_t dimension) {
    Archive archive(Archive::Direction::kRead, dimension, pool_);
    archive.words = written.state->words;
    archive.vectors = written.state->vectors;
    return archive;
  };
  Part part;
  Archive other_dimension = reading(checkpoint(1), 4);
  other_dimension.part("part", part);
  EXPECT_FALSE(other_dimension.ok());

  Archive other_name = reading(checkpoint(1), 3);
  other_name.part("other", part);
  EXPECT_FALSE(other_name.ok());

  Archive too_large = reading(checkpoint(1), 3);
  too_large.words["part.small"] = {uint64_t{1} << 32};
  too_large.part("part", part);
  EXPECT_FALSE(too_large.ok());
}

// Every byte of the file counts: whichever is wrong, the checkpoint before it serves.
TEST_F(CheckpointTest, ADamagedFileIsPassedOver) {
  CheckpointFolder folder(path_);
  folder.add(checkpoint(10));
  folder.add(checkpoint(20));
  const fs::path newest = path_ / "000000000020.safetensors";
  ASSERT_TRUE(fs::exists(newest));
  std::ifstream in(newest, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  const auto write = [&](const std::string& bytes) {
    std::ofstream(newest, std::ios::binary | std::ios::trunc) << bytes;
  };
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string wrong = whole;
    wrong[i] = static_cast<char>(wrong[i] ^ 0x20);
    write(wrong);
    const std::vector<Round> left = rounds(folder);
    // Blanks at the end of the header, and the case of the tensors' names, carry no value.
    if (left.size() == 2) {
      const std::unique_ptr<Archive> archive = folder.read(folder.entries()[0], 3, pool_);
      Part part;
      if (archive) archive->part("part", part);
      EXPECT_TRUE(!archive || !archive->ok() || part.exact == 0.1) << "byte " << i;
    } else {
      EXPECT_EQ(left, (std::vector<Round>{10})) << "byte " << i;
    }
    write(whole.substr(0, i));
    EXPECT_EQ(rounds(folder), (std::vector<Round>{10})) << "cut at " << i;
  }
}

// The name says for which rounds a state is.
TEST_F(CheckpointTest, ItsRoundsComeBackFromTheDisk) {
  CheckpointFolder folder(path_);
  const Restart kept[] = {{40, Restart::kAnyLater}, {20, 31}, {10}};
  for (const Restart& each : kept) folder.add(checkpoint(each, 1));
  for (const char* name :
       {"000000000050-000000000049.safetensors", "60.safetensors", "-.safetensors",
        "000000000000.safetensors", "000000000050-9.safetensors"}) {
    fs::copy_file(path_ / "000000000010.safetensors", path_ / name);
  }
  const std::vector<Restart> entries = folder.entries();
  ASSERT_EQ(entries.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(entries[i].round, kept[i].round);
    EXPECT_EQ(entries[i].last, kept[i].last);
    EXPECT_TRUE(folder.read(entries[i], 3, pool_));
  }
}

// A hub goes on from a multiple of `every`, from one of the newest four: whatever these need stays.
TEST_F(CheckpointTest, OldOnesGoWhenNobodyCanAskForThem) {
  CheckpointFolder hub(path_ / "hub");
  for (Round round = 10; round <= 90; round += 10) hub.add(checkpoint(round));
  EXPECT_EQ(rounds(hub), (std::vector<Round>{90, 80, 70, 60}));

  CheckpointFolder sampled(path_ / "sampled");  // takes part in some of the rounds
  const Round in[] = {2, 13, 16, 17, 20, 54, 57, 58, 60, 62, 64};
  for (size_t i = 1; i < std::size(in); ++i) sampled.add(checkpoint({in[i - 1] + 1, in[i]}));
  // 60 wants what was made at 59; 20 and 30 to 50 want 18 and 21. 63 is the newest.
  EXPECT_EQ(rounds(sampled), (std::vector<Round>{63, 59, 21, 18}));
}

// Nodes that run ahead of each other keep more.
TEST_F(CheckpointTest, AsManyStayAsAreAskedFor) {
  CheckpointFolder folder(path_);
  for (Round round = 1; round <= 20; ++round) folder.add(checkpoint(round, 1), 5);
  EXPECT_EQ(rounds(folder), (std::vector<Round>{20, 19, 18, 17, 16, 15, 14, 13, 12}));
}

TEST_F(CheckpointTest, ANodeGoesOnFromWhatServes) {
  const std::vector<Restart> exact = {{30}, {20}};
  EXPECT_EQ(serving(exact, 30)->round, 30u);
  EXPECT_FALSE(serving(exact, 25));
  const std::vector<Restart> sampled = {{33, 40}, {12, 30}};
  EXPECT_EQ(serving(sampled, 30)->round, 12u);
  EXPECT_FALSE(serving(sampled, 31));
  EXPECT_FALSE(serving(sampled, 10));
  const std::vector<Restart> by_time = {{33, Restart::kAnyLater}, {12, Restart::kAnyLater}};
  EXPECT_EQ(serving(by_time, 500)->round, 33u);
  EXPECT_EQ(serving(by_time, 32)->round, 12u);
}

// A file of another run or another node that got there has its right checksum, and is passed over.
TEST_F(CheckpointTest, AForeignOneIsPassedOver) {
  CheckpointFolder mine(path_ / "mine");
  CheckpointFolder theirs(path_ / "theirs");
  mine.begin("run", 1);
  theirs.begin("run", 2);
  mine.add(checkpoint(10));
  theirs.add(checkpoint(20));
  const std::string name = "000000000020.safetensors";
  fs::copy_file(path_ / "theirs" / name, path_ / "mine" / name);
  EXPECT_EQ(rounds(theirs), (std::vector<Round>{20}));
  EXPECT_EQ(rounds(mine), (std::vector<Round>{10}));
  EXPECT_EQ(mine.read(20, 3, pool_), nullptr);
}

// A disk that takes no more, as far as a process can make one: what was there before serves.
TEST_F(CheckpointTest, AFullDiskLeavesTheOneBefore) {
  CheckpointFolder folder(path_);
  folder.add(checkpoint(10));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit full{100, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  EXPECT_THROW(folder.add(checkpoint(20)), OperatorError);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, ignored);
  EXPECT_EQ(rounds(folder), (std::vector<Round>{10}));
  folder.add(checkpoint(30));
  EXPECT_EQ(rounds(folder), (std::vector<Round>{30, 10}));
}

TEST_F(CheckpointTest, AnotherRunMakesThemPointless) {
  CheckpointFolder folder(path_);
  folder.begin("one", 1);
  folder.add(checkpoint(10));
  std::ofstream(path_ / "000000000020.safetensors.tmp77") << "torn by a crash";
  EXPECT_EQ(folder.batches(), 0u);
  folder.say_batches(70);
  folder.say_batches(140);
  folder.go_on("one, once more", 1);
  EXPECT_EQ(folder.batches(), 140u);
  EXPECT_EQ(*folder.read_run(), "one, once more");
  EXPECT_EQ(rounds(folder).size(), 1u);
  folder.begin("two", 1);
  EXPECT_EQ(folder.batches(), 0u);
  folder.say_batches(7);
  EXPECT_EQ(*folder.read_run(), "two");
  EXPECT_TRUE(rounds(folder).empty());
  folder.clear();
  EXPECT_FALSE(folder.read_run());
  EXPECT_TRUE(fs::is_empty(path_));
}

}  // namespace
}  // namespace kith
