// Key files, the members file, roles: what is read back, and every way to get them wrong.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "daemon/trust/identity.h"
#include "daemon/trust/key_file.h"
#include "daemon/trust/members.h"
#include "daemon/trust/permission.h"
#include "protocol/limits.h"
#include "topology/error.h"
#include "topology/rng.h"

namespace kith {
namespace {

namespace fs = std::filesystem;

class Trust : public testing::Test {
 protected:
  Trust() {
    std::string name = fs::temp_directory_path() / "kith-trust-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~Trust() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ / name; }

  std::string file(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    std::ofstream(path(name)) << text;
    chmod(path(name).c_str(), mode);
    return path(name);
  }

 private:
  fs::path folder_;
};

PublicKey key(uint8_t seed) {
  PublicKey made;
  for (size_t i = 0; i < kKeyBytes; ++i) made.bytes[i] = static_cast<uint8_t>(seed * 16 + i);
  return made;
}

KeyPair pair_of(uint8_t seed) {
  KeyPair keys;
  keys.open = key(seed);
  for (size_t i = 0; i < kKeyBytes; ++i) keys.secret.data()[i] = static_cast<uint8_t>(seed ^ i);
  return keys;
}

template <typename F>
std::string sentence(F wrong) {
  try {
    wrong();
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "";
}

#define EXPECT_SAYS(expression, words)                                    \
  do {                                                                    \
    const std::string said = sentence([&] { (void)(expression); });       \
    EXPECT_NE(said.find(words), std::string::npos) << "said: \"" << said; \
  } while (false)

TEST(Key, ItsTextIsReadBack) {
  EXPECT_EQ(key(3).text().size(), 64u);
  EXPECT_EQ(parse_public_key(key(3).text()), key(3));
  std::string other = key(3).text();
  other[0] = 'A';
  EXPECT_EQ(parse_public_key(other)->text()[0], 'a');
  other[0] = ' ';
  for (const std::string& wrong :
       {std::string(), key(3).text().substr(1), key(3).text() + "0", std::string(64, 'g'), other}) {
    EXPECT_FALSE(parse_public_key(wrong)) << wrong;
  }
}

TEST(Key, ASecretThatMovedIsWiped) {
  KeyPair keys = pair_of(5);
  const SecretKey moved = std::move(keys.secret);
  EXPECT_EQ(moved.data()[1], 5 ^ 1);
  for (size_t i = 0; i < kKeyBytes; ++i) EXPECT_EQ(keys.secret.data()[i], 0);
}

TEST_F(Trust, AKeyFileIsItsOwnersAloneAndIsReadBack) {
  const mode_t before = umask(0);
  write_key_file(path("a.key"), pair_of(1));
  umask(before);
  struct stat facts {};
  ASSERT_EQ(stat(path("a.key").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
  const KeyPair read = read_key_file(path("a.key"));
  EXPECT_EQ(read.open, key(1));
  EXPECT_TRUE(
      std::equal(read.secret.data(), read.secret.data() + kKeyBytes, pair_of(1).secret.data()));
}

TEST_F(Trust, AKeyFileIsNeverOverwritten) {
  write_key_file(path("a.key"), pair_of(1));
  EXPECT_SAYS(write_key_file(path("a.key"), pair_of(2)), "exists already");
  EXPECT_EQ(read_key_file(path("a.key")).open, key(1));
  fs::create_symlink(path("elsewhere"), path("link.key"));
  EXPECT_SAYS(write_key_file(path("link.key"), pair_of(2)), "exists already");
  EXPECT_FALSE(fs::exists(path("elsewhere")));
  EXPECT_SAYS(write_key_file(path("no/such/folder"), pair_of(2)), "cannot be written");
}

TEST_F(Trust, AKeyFileThatOthersCanReadIsRefused) {
  write_key_file(path("a.key"), pair_of(1));
  for (const mode_t mode : {0640, 0604, 0620, 0601}) {
    chmod(path("a.key").c_str(), mode);
    EXPECT_SAYS(read_key_file(path("a.key")), "chmod 600");
  }
  chmod(path("a.key").c_str(), 0400);
  EXPECT_EQ(read_key_file(path("a.key")).open, key(1));
}

TEST_F(Trust, WhatIsNoKeyFileIsRefusedWithoutShowingItsContent) {
  const std::string digits = key(7).text();
  for (const std::string& text :
       {std::string(), std::string("public\nsecret\n"), "public " + digits + "\n",
        "secret " + digits + "\n", "public " + digits + "\nsecret " + digits.substr(1),
        std::string(100000, 'x'), std::string(4096, '\n'), std::string("\0\0\0", 3)}) {
    const std::string said = sentence([&] { read_key_file(file("wrong.key", text)); });
    EXPECT_NE(said.find("holds no key"), std::string::npos) << said;
    EXPECT_EQ(said.find(digits.substr(1, 20)), std::string::npos) << said;
  }
  EXPECT_SAYS(read_key_file(path("absent.key")), "kith keygen");
  EXPECT_SAYS(read_key_file(path("")), "is no file");
  mkfifo(path("pipe.key").c_str(), 0600);  // must not wait for a writer
  EXPECT_SAYS(read_key_file(path("pipe.key")), "is no file");
}

const std::string kA = key(1).text();
const std::string kB = key(2).text();
const std::string kPeer = "peer ";

TEST(Members, RolesKeysAddressesAndNamesAreRead) {
  const Members members("# all of us\n\n  peer " + kA + " 10.0.0.5:7400 # the cellar\r\n" +
                            "operator\t" + kB + "\t#Ada Lovelace\nviewer " + key(3).text() +
                            "\npeer " + kA + " cellar:7401",
                        "list");
  ASSERT_EQ(members.size(), 4u);
  EXPECT_EQ(members[0].role, Role::kPeer);
  EXPECT_EQ(members[0].address, "10.0.0.5:7400");
  EXPECT_EQ(members[0].title(), "the cellar");
  EXPECT_EQ(members[1].role, Role::kOperator);
  EXPECT_EQ(members[1].title(), "Ada Lovelace");
  EXPECT_EQ(members[2].title(), key(3).text().substr(0, 12));
  EXPECT_EQ(members.find(key(1)), &members[0]);
  EXPECT_EQ(members.find(key(4)), nullptr);
  EXPECT_EQ(members.at("cellar:7401"), &members[3]);
  EXPECT_EQ(members.at("10.0.0.5:7401"), nullptr);
  EXPECT_EQ(members.index_of(members[2]), 2u);
}

TEST(Members, EveryWrongLineIsNamed) {
  const auto parse = [](const std::string& text) { return Members("\n" + text + "\n", "list"); };
  EXPECT_SAYS(parse("admin " + kA), "Line 2 of 'list' begins with 'admin'");
  EXPECT_SAYS(parse("Peer " + kA), "no role");
  EXPECT_SAYS(parse("peer"), "64 hexadecimal digits");
  EXPECT_SAYS(parse(kPeer + kA.substr(1)), "64 hexadecimal digits");
  EXPECT_SAYS(parse("peer 10.0.0.5:7400 " + kA), "64 hexadecimal digits");
  EXPECT_SAYS(parse("peer " + kA + " 10.0.0.5"), "HOST:PORT");
  EXPECT_SAYS(parse("peer " + kA + " 10.0.0.5:0"), "HOST:PORT");
  EXPECT_SAYS(parse("peer " + kA + " :7400"), "HOST:PORT");
  EXPECT_SAYS(parse("peer " + kA + " a:99999"), "HOST:PORT");
  EXPECT_SAYS(parse("peer " + kA + " a:1 cellar"), "a name begins with #");
  EXPECT_SAYS(parse("viewer " + kA + " a:1"), "only peers");
  EXPECT_SAYS(parse("peer " + kA + " a:1\nviewer " + kA), "one role");
  EXPECT_SAYS(parse("peer " + kA + "\npeer " + kA), "stands above already");
  EXPECT_SAYS(parse("peer " + kA + " a:1\npeer " + kB + " a:1"), "another key");
  EXPECT_SAYS(parse("# nobody"), "lists nobody");
  EXPECT_SAYS(Members("", "list"), "lists nobody");
}

// Whatever stands in the file: read or refused with a sentence.
TEST(Members, NoiseIsReadOrRefused) {
  const uint64_t seed = 11;
  SCOPED_TRACE(seed);
  Rng rng(seed, NodeId{0}, Purpose::kTest);
  const std::string pieces[] = {"peer ", "viewer ", kA,   kB,  " a:1", ":",
                                "#",     "\n",      "\r", " ", "\t\t", std::string(1, '\0')};
  size_t read = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (uint64_t n = rng.below(12); n > 0; --n) text += pieces[rng.below(std::size(pieces))];
    if (rng.below(3) == 0) text += static_cast<char>(rng.below(256));
    try {
      read += Members(text, "noise").size() > 0;
    } catch (const OperatorError& error) {
      EXPECT_GT(std::string(error.what()).size(), 20u);
    }
  }
  EXPECT_GT(read, 10u);
}

TEST_F(Trust, AMembersFileThatOthersCanWriteIsRefused) {
  const std::string text = "peer " + kA + "\n";
  EXPECT_EQ(read_members(file("members", text, 0644)).size(), 1u);
  EXPECT_SAYS(read_members(file("members", text, 0664)), "chmod go-w");
  EXPECT_SAYS(read_members(file("members", text, 0646)), "chmod go-w");
  EXPECT_SAYS(read_members(path("absent")), "cannot be read");
  EXPECT_SAYS(read_members(path("")), "it is no file");
  EXPECT_SAYS(read_members(file("long", std::string(limits::kMembersBytes + 1, '\n'))), "too long");
}

TEST_F(Trust, AnIdentityNeedsBothFilesAndAKeyOfTheRightKind) {
  write_key_file(path("a.key"), pair_of(1));
  write_key_file(path("b.key"), pair_of(2));
  write_key_file(path("c.key"), pair_of(3));
  const std::string members = file("members", "peer " + kA + " a:1\noperator " + kB + "\n");
  EXPECT_EQ(load_identity("", "", Speaker::kDaemon), nullptr);
  EXPECT_SAYS(load_identity(path("a.key"), "", Speaker::kDaemon), "--members, too");
  EXPECT_SAYS(load_identity("", members, Speaker::kDaemon), "--key, too");
  EXPECT_SAYS(load_identity(path("c.key"), members, Speaker::kDaemon), kPeer + key(3).text());
  EXPECT_SAYS(load_identity(path("b.key"), members, Speaker::kDaemon), "needs that of a peer");
  EXPECT_SAYS(load_identity(path("a.key"), members, Speaker::kClient), "operator or a viewer");
  const auto identity = load_identity(path("a.key"), members, Speaker::kDaemon);
  EXPECT_EQ(identity->self, &identity->members[0]);
}

TEST(Permission, AViewerLooksAnOperatorDoesAllAPeerGossipsAlone) {
  const control::Request reads[] = {control::HelloRequest{}, control::ProgressRequest{},
                                    control::SnapshotRequest{}, control::StatusRequest{},
                                    control::NodesRequest{}, control::ModelRequest{}};
  const control::Request orders[] = {control::StartRequest{}, control::StopJobRequest{},
                                     control::ShutdownRequest{}};
  EXPECT_EQ(std::size(reads) + std::size(orders) + 1, std::variant_size_v<control::Request>);
  EXPECT_TRUE(may_ask(Role::kPeer, control::GossipRequest{}));
  EXPECT_FALSE(may_ask(Role::kOperator, control::GossipRequest{}));
  EXPECT_FALSE(may_ask(Role::kViewer, control::GossipRequest{}));
  for (const control::Request& request : reads) {
    EXPECT_TRUE(may_ask(Role::kViewer, request));
    EXPECT_TRUE(may_ask(Role::kOperator, request));
    EXPECT_FALSE(may_ask(Role::kPeer, request));
  }
  for (const control::Request& request : orders) {
    EXPECT_FALSE(may_ask(Role::kViewer, request));
    EXPECT_TRUE(may_ask(Role::kOperator, request));
    EXPECT_FALSE(may_ask(Role::kPeer, request));
  }
}

}  // namespace
}  // namespace kith
