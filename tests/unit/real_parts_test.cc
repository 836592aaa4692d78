// The small parts of the real body: addresses, log lines, timers, kept reports.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "daemon/real/address.h"
#include "daemon/real/log.h"
#include "daemon/real/loop.h"
#include "daemon/real/report_store.h"
#include "daemon/real/timers.h"
#include "topology/error.h"

namespace kith {
namespace {

using std::chrono::milliseconds;

TEST(Address, HostAndPort) {
  const Address address = parse_address("lab-7.example:65535");
  EXPECT_EQ(address.host, "lab-7.example");
  EXPECT_EQ(address.port, 65535);
  EXPECT_EQ(address.text(), "lab-7.example:65535");
  for (const char* wrong : {"", ":", "host", "host:", ":7400", "host:65536", "host:-1", "host:7x",
                            "a b:1", "tcp://host:1", "[::1]:7400"}) {
    EXPECT_THROW(parse_address(wrong), OperatorError) << wrong;
  }
}

TEST(Address, LoopbackIsLocalAndDocumentationAddressesAreNot) {
  EXPECT_TRUE(is_local("127.0.0.1"));
  EXPECT_TRUE(is_local("127.8.9.10"));
  EXPECT_FALSE(is_local("192.0.2.1"));  // RFC 5737: assigned to nobody
  EXPECT_EQ(resolve("127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(resolve("localhost"), "127.0.0.1");
}

TEST(Log, ValuesThatCouldBreakALineAreQuoted) {
  const std::string path = testing::TempDir() + "kith_log_" + std::to_string(getpid());
  {
    Log log(Log::Level::kInfo, path);
    log.set_node(3);
    log.info("one two", {{"a", "plain"}, {"b", "with space"}, {"c", "\"\n\\"}, {"d", ""}});
    log.debug("unseen", {});
    log.warning("seen", {});
  }
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::remove(path.c_str());
  EXPECT_NE(text.str().find(
                " level=info node=3 event=\"one two\" a=plain b=\"with space\" c=\"\\\"\\x0a\\\\\" "
                "d=\"\"\n"),
            std::string::npos)
      << text.str();
  EXPECT_EQ(text.str().find("unseen"), std::string::npos);
  EXPECT_NE(text.str().find("level=warning node=3 event=seen\n"), std::string::npos);
  EXPECT_THROW(Log(Log::Level::kInfo, "/nonexistent/folder/log"), OperatorError);
}

TEST(Timers, FireInOrderOnceAndMoveWhenSetAgain) {
  Loop loop;
  std::vector<TimerId> fired;
  Timers timers(loop, [&](TimerId id) {
    fired.push_back(id);
    if (id == 9) loop.stop();
  });
  timers.set(3, milliseconds(30));
  timers.set(1, milliseconds(10));
  timers.set(2, milliseconds(5));
  timers.set(2, milliseconds(20));  // later
  timers.set(9, milliseconds(500));
  timers.set(9, milliseconds(40));  // sooner
  loop.run();
  EXPECT_EQ(fired, (std::vector<TimerId>{1, 2, 3, 9}));
}

TEST(Timers, MayBeSetFromTheirOwnCallback) {
  Loop loop;
  int count = 0;
  Timers* self = nullptr;
  Timers timers(loop, [&](TimerId id) {
    if (++count == 5) {
      loop.stop();
    } else {
      self->set(id, milliseconds(1));
    }
  });
  self = &timers;
  timers.set(1, Duration::zero());
  loop.run();
  EXPECT_EQ(count, 5);
}

TEST(Loop, TasksFromOtherThreadsRunOnIt) {
  Loop loop;
  int sum = 0;
  std::thread other([&] {
    for (int i = 1; i <= 1000; ++i) loop.post([&sum, i] { sum += i; });
    loop.post([&loop] { loop.stop(); });
  });
  loop.run();
  other.join();
  EXPECT_EQ(sum, 500500);
}

TEST(Loop, AWatchMayBeDestroyedFromItsOwnCallback) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Loop loop;
  int calls = 0;
  std::unique_ptr<Loop::Watch> watch;
  watch = loop.watch(ends[0], [&] {
    ++calls;
    watch.reset();
    loop.post([&] { loop.stop(); });
  });
  ASSERT_EQ(write(ends[1], "xx", 2), 2);
  loop.run();
  EXPECT_EQ(calls, 1);
  char c = 0;
  EXPECT_EQ(read(ends[0], &c, 1), 1);  // still open
  close(ends[0]);
  close(ends[1]);
}

TEST(ReportStore, KeepsTheLatestParametersWithinItsBytes) {
  Pool pool;
  ReportStore store(1000, 10);
  for (Round round = 0; round < 25; ++round) {
    control::ReportEntry entry;
    entry.round = round;
    store.add(entry, copy_of(std::vector<float>(100, static_cast<float>(round)), pool));
    EXPECT_LE(store.bytes(), 1000u);
  }
  EXPECT_EQ(store.next(), 25u);
  EXPECT_EQ(store.since(0).size(), 10u);
  EXPECT_EQ(store.since(0).front().round, 15u);
  ASSERT_EQ(store.since(23).size(), 2u);
  EXPECT_TRUE(store.since(24)[0].snapshot);
  EXPECT_FALSE(store.since(15)[0].snapshot);
  EXPECT_TRUE(store.since(25).empty());
  EXPECT_TRUE(store.since(99).empty());
  EXPECT_EQ(store.snapshot(std::nullopt)->round, 24u);
  EXPECT_EQ(store.snapshot(Round{23})->parameters.floats()[0], 23.0f);
  EXPECT_FALSE(store.snapshot(Round{15}).has_value());
  EXPECT_FALSE(ReportStore(10, 10).snapshot(std::nullopt).has_value());
}

TEST(ReportStore, OneSnapshotIsKeptHoweverLarge) {
  Pool pool;
  ReportStore store(10, 10);
  store.add({}, copy_of(std::vector<float>(100), pool));
  EXPECT_TRUE(store.snapshot(std::nullopt)->parameters);
}

}  // namespace
}  // namespace kith
