// The agenda against a plain ordered map: order, and what it says of what is coming.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "daemon/sim/event_queue.h"

namespace kith {
namespace {

class Reference {
 public:
  void push(Time at, uint32_t id) { ids_.emplace(at, id); }  // equal times keep their order
  uint32_t pop() {
    const uint32_t id = ids_.begin()->second;
    ids_.erase(ids_.begin());
    return id;
  }
  uint32_t at(size_t k) const { return std::next(ids_.begin(), static_cast<long>(k))->second; }
  size_t size() const { return ids_.size(); }

 private:
  std::multimap<Time, uint32_t> ids_;
};

TEST(EventQueue, IsInOrderOfTimeThenOfPushing) {
  const uint32_t seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (const size_t most : {1, 5, 16, 17, 40, 400}) {
    EventQueue queue;
    Reference reference;
    Time now{};
    for (uint32_t id = 0; id < 5000; ++id) {
      // Often equal times, often before all that wait, never before what has been.
      const Time at = now + Duration(random() % 8 * (random() % 20));
      queue.push(at, NodeId{id}, TimerFired{id});
      reference.push(at, id);
      ASSERT_EQ(queue.size(), reference.size());
      while (queue.size() > most || (!queue.empty() && random() % 3 == 0)) {
        for (size_t k = 0; k < std::min(EventQueue::kAhead, reference.size()); ++k) {
          const EventQueue::Coming coming = queue.coming(k);
          ASSERT_TRUE(coming);
          ASSERT_EQ(index_of(coming.node), reference.at(k));
          ASSERT_EQ(std::get<TimerFired>(*coming.event).id, reference.at(k));
        }
        ASSERT_FALSE(queue.coming(std::min(EventQueue::kAhead, reference.size())));
        const EventQueue::Item item = queue.pop();
        ASSERT_GE(item.at, now);
        now = item.at;
        ASSERT_EQ(index_of(item.node), reference.pop());
      }
    }
    while (!queue.empty()) ASSERT_EQ(index_of(queue.pop().node), reference.pop());
    EXPECT_EQ(reference.size(), 0u);
  }
}

}  // namespace
}  // namespace kith
