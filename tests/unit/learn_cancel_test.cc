// Work that is not wanted any more: how soon a model and a trainer stop.
#include <gtest/gtest.h>

#include <atomic>

#include "daemon/learn/trainer.h"

namespace kith {
namespace {

struct Picture {
  std::unique_ptr<Model> model = model_info("mlp").make(
      {20, 3}, 1,
      Options("model", model_info("mlp").options, {{"hidden", std::vector<double>{9, 7}}}));
  std::vector<float> features = std::vector<float>(4 * 20, 0.5f);
  std::vector<int32_t> labels = {0, 1, 2, 0};
  std::vector<float> x = std::vector<float>(model->parameters(), 0.1f);
  Workspace workspace;

  Batch batch() const { return {.features = features, .labels = labels, .rows = 4}; }
};

TEST(GivenUp, ALargeModelStopsBetweenLayersAndTouchesNothing) {
  Picture picture;
  const std::atomic<bool> cancelled{true};
  std::vector<float> y(picture.x.size(), 42.0f);
  const std::vector<float> untouched = y;
  {
    const Workspace::Cancellation cancellation(picture.workspace, &cancelled);
    picture.model->gradient(picture.x, picture.batch(), y, picture.workspace);
    EXPECT_EQ(y, untouched);
    picture.model->descend(0.1f, picture.x, picture.batch(), y, picture.workspace);
    EXPECT_EQ(y, untouched);
  }
  picture.model->gradient(picture.x, picture.batch(), y, picture.workspace);
  EXPECT_NE(y, untouched) << "the cancellation outlived its scope";
}

TEST(GivenUp, ATrainerTakesNoFurtherStep) {
  const Options options("model", model_info("quadratic").options, {});
  const std::unique_ptr<Model> model = model_info("quadratic").make({}, 1, options);
  TrainerSetup setup;
  setup.model = model.get();
  Trainer trainer(std::move(setup));
  Pool pool;
  Workspace workspace;
  const std::atomic<bool> cancelled{true};
  Compute work{.ticket = 1,
               .first_batch = 0,
               .steps = 1u << 20,
               .at = copy_of(std::vector<float>{1}, pool),
               .rule = LocalRule::local_steps()};
  const Computed computed = trainer.run(work, pool, workspace, &cancelled);
  EXPECT_EQ(computed.ticket, 1u);
  EXPECT_EQ(computed.loss, 0);
}

}  // namespace
}  // namespace kith
