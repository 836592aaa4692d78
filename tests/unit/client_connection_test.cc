// A client never waits for ever, and believes only answers to what it asked.
#include <gtest/gtest.h>

#include <thread>
#include <zmq.hpp>

#include "client/command/command.h"
#include "client/connection.h"
#include "client/interrupt.h"
#include "topology/error.h"

namespace kith {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// What listens where a daemon should: answers each request with the frames that it is given.
class Impostor {
 public:
  using Frames = std::vector<std::string>;
  using Script = std::function<std::vector<Frames>(uint64_t id, const control::Request&)>;

  explicit Impostor(Script script) : script_(std::move(script)) {
    router_ = zmq::socket_t(context_, zmq::socket_type::router);
    router_.set(zmq::sockopt::linger, 0);
    router_.bind("tcp://127.0.0.1:*");
    const std::string bound = router_.get(zmq::sockopt::last_endpoint);
    endpoint_ = bound.substr(bound.rfind('/') + 1);
    thread_ = std::jthread([this](std::stop_token stop) { serve(stop); });
  }

  const std::string& endpoint() const { return endpoint_; }

 private:
  void serve(std::stop_token stop) {
    while (!stop.stop_requested()) {
      zmq::pollitem_t item = {router_.handle(), 0, ZMQ_POLLIN, 0};
      if (zmq::poll(&item, 1, milliseconds(10)) == 0) continue;
      zmq::message_t caller;
      zmq::message_t frame;
      (void)router_.recv(caller);
      (void)router_.recv(frame);
      uint64_t id = 0;
      control::Request request;
      const std::span<const std::byte> bytes(frame.data<std::byte>(), frame.size());
      ASSERT_TRUE(control::decode_request(bytes, id, request).ok());
      for (const Frames& frames : script_(id, request)) answer(caller, frames);
    }
  }

  void answer(const zmq::message_t& caller, const Frames& frames) {
    router_.send(zmq::buffer(caller.data(), caller.size()), zmq::send_flags::sndmore);
    for (size_t i = 0; i < frames.size(); ++i) {
      const bool more = i + 1 < frames.size();
      router_.send(zmq::buffer(frames[i]), more ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
  }

  Script script_;
  zmq::context_t context_;
  zmq::socket_t router_;
  std::string endpoint_;
  std::jthread thread_;
};

TEST(Connection, SilenceEndsWithASentenceThatNamesTheAddress) {
  Network network;
  Connection connection(network, "127.0.0.1:1");
  const auto start = steady_clock::now();
  try {
    connection.ask(control::HelloRequest{}, milliseconds(300));
    FAIL() << "nothing listens there";
  } catch (const RunFailed& error) {
    EXPECT_NE(std::string(error.what()).find("127.0.0.1:1"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("kithd"), std::string::npos);
  }
  const auto spent = steady_clock::now() - start;
  EXPECT_GE(spent, milliseconds(290));
  EXPECT_LT(spent, milliseconds(3000));
}

TEST(Connection, WhatIsNoAddressIsRefused) {
  Network network;
  for (const char* text : {"", "host", "host:", ":7400", "host:0", "host:65536", "host:74x"}) {
    EXPECT_THROW(Connection(network, text), OperatorError) << text;
  }
}

TEST(Connection, ARefusalIsTheOperatorsToFix) {
  const Impostor daemon([](uint64_t id, const control::Request&) {
    return std::vector<Impostor::Frames>{
        {control::encode_reply(id, control::ErrorReply{"no such file"})}};
  });
  Network network;
  Connection connection(network, daemon.endpoint());
  try {
    connection.ask(control::StopJobRequest{}, milliseconds(3000));
    FAIL() << "a refusal passed for an answer";
  } catch (const OperatorError& error) {
    EXPECT_NE(std::string(error.what()).find("no such file"), std::string::npos);
  }
}

TEST(Connection, GarbageAndOldAnswersArePassedOver) {
  const Impostor daemon([](uint64_t id, const control::Request&) {
    return std::vector<Impostor::Frames>{
        {"garbage"},
        {control::encode_reply(id - 1, control::ErrorReply{"an old answer"})},
        {control::encode_reply(id, control::OkReply{}), "", "excess", "frames"}};
  });
  Network network;
  Connection connection(network, daemon.endpoint());
  const Answer answer = connection.ask(control::StopJobRequest{}, milliseconds(3000));
  EXPECT_TRUE(std::holds_alternative<control::OkReply>(answer.reply));
}

TEST(Connection, ParametersArriveBitForBit) {
  const std::vector<float> sent = {1.5f, -0.0f, 3e-42f};
  const std::string bytes(reinterpret_cast<const char*>(sent.data()), sent.size() * sizeof(float));
  const Impostor daemon([&](uint64_t id, const control::Request&) {
    return std::vector<Impostor::Frames>{
        {control::encode_reply(id, control::SnapshotReply{3, 8}), bytes},  // not as long as it says
        {control::encode_reply(id, control::SnapshotReply{3, bytes.size()}), bytes}};
  });
  Network network;
  Connection connection(network, daemon.endpoint());
  const Answer answer = connection.ask(control::SnapshotRequest{}, milliseconds(3000));
  ASSERT_EQ(answer.parameters.size(), sent.size());
  EXPECT_EQ(std::memcmp(answer.parameters.data(), sent.data(), bytes.size()), 0);
}

TEST(Interrupt, ASignalIsSomethingToAskFor) {
  Interrupt interrupt;
  EXPECT_FALSE(interrupt.requested());
  std::raise(SIGINT);
  EXPECT_TRUE(interrupt.requested());
  EXPECT_TRUE(interrupt.requested());  // and stays so
}

}  // namespace
}  // namespace kith
