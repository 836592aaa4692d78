// The file of kithd --config, and what a machine's own data makes of a job's.
#include "daemon/node_config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "topology/error.h"

namespace kith {
namespace {

class NodeConfigFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }

  // The sentence of the refusal.
  std::string refusal(const std::string& text) const {
    try {
      read_node_config(file("config.toml", text));
    } catch (const OperatorError& error) {
      return error.what();
    }
    return "";
  }

 private:
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("kith-config-" + std::to_string(getpid()));
};

TEST_F(NodeConfigFile, SaysWhereTheDataIs) {
  const std::string data = file("mine.csv", "1,0\n");
  const NodeConfig config = read_node_config(
      file("config.toml", "[data]\nsource = \"" + data + "\"\nlabel_column = \"kind\"\n"));
  ASSERT_TRUE(config.data.has_value());
  EXPECT_EQ(config.data->source, data);
  EXPECT_EQ(config.data->label_column, "kind");
  EXPECT_EQ(config.data->labels, "");
  EXPECT_FALSE(read_node_config(file("empty.toml", "")).data.has_value());
}

TEST_F(NodeConfigFile, RefusesWhatIsTheJobs) {
  EXPECT_NE(refusal("[data]\nsource = \"fashion-mnist\"\nscale = \"unit\"\n").find("data.scale"),
            std::string::npos);
  EXPECT_NE(refusal("[train]\nbatch = 1\n").find("[train]"), std::string::npos);
  EXPECT_NE(refusal("[data]\nsource = \"/nowhere\"\n").find("/nowhere"), std::string::npos);
  EXPECT_NE(refusal("[data]\nlabels = \"x\"\n").find("without data.source"), std::string::npos);
}

TEST(OwnSpec, AllRowsAreTheNodes) {
  Job job = parse_job(
      "[model]\nkind = \"softmax\"\n[data]\nsource = \"a.csv\"\ntest = \"t.csv\"\n"
      "scale = \"standard\"\nclasses = 7\npartition = \"shards:2\"\n[stop]\nrounds = 5\n");
  const DataSpec own = own_spec(job, {"b.npy", "l.npy", ""});
  EXPECT_EQ(own.source, "b.npy");
  EXPECT_EQ(own.labels, "l.npy");
  EXPECT_EQ(own.test, "");
  EXPECT_EQ(own.test_fraction, 0);
  EXPECT_EQ(own.partition, "iid");
  EXPECT_EQ(own.scale, "standard");
  EXPECT_EQ(own.classes, 7u);
  job.rounds = 0;
  job.epochs = 2;
  EXPECT_THROW(own_spec(job, {"b.npy", "l.npy", ""}), OperatorError);
}

}  // namespace
}  // namespace kith
