#include "daemon/learn/trainer.h"

#include <algorithm>
#include <cmath>

#include "daemon/learn/slots.h"
#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

namespace {

// g += correction + mu (x - anchor); the difference first, since the two are close.
void apply_rule(const LocalRule& rule, std::span<const float> x, std::span<float> g,
                Workspace& workspace) {
  if (rule.correction) kernels::axpy(1.0f, rule.correction.floats(), g);
  if (rule.mu != 0 && rule.anchor) {
    const std::span<float> difference = workspace.take(slots::kDifference, x.size());
    kernels::subtract(x, rule.anchor.floats(), difference);
    kernels::axpy(rule.mu, difference, g);
  }
}

}  // namespace

Trainer::Trainer(TrainerSetup setup)
    : model_(setup.model),
      revocable_(setup.revocable),
      total_batches_(setup.total_batches),
      batches_(std::move(setup.data), std::move(setup.rows), std::move(setup.batch),
               setup.total_batches, setup.seed, setup.node),
      optimizer_(setup.optimizer),
      privacy_(setup.privacy) {
  KITH_ASSERT(!privacy_ || (model_->needs_data() && !setup.svrg_period));
  KITH_ASSERT(model_ != nullptr);
  KITH_ASSERT(!model_->needs_data() || batches_.shard_rows() > 0);
  if (setup.svrg_period) {
    KITH_ASSERT(*setup.svrg_period > 0 || model_->needs_data());
    svrg_.emplace(*setup.svrg_period);
  }
}

void Trainer::take_back() {
  KITH_ASSERT(revocable_);
  optimizer_.take_back();
  if (svrg_) svrg_->take_back();
}

void Trainer::persist(Archive& archive) {
  archive.part("optimizer", optimizer_);
  if (svrg_) archive.part("svrg", *svrg_);
}

double Trainer::gradient(uint64_t index, std::span<const float> x, std::span<float> g,
                         Workspace& workspace) {
  if (svrg_) return svrg_->gradient(*model_, batches_, index, x, g, workspace);
  if (privacy_) {
    const Batch batch = batches_.load(index, workspace);
    const double loss = model_->clipped_gradient(privacy_->clip, x, batch, g, workspace);
    if (!workspace.given_up()) add_private_noise(*privacy_, batch, g);
    return loss;
  }
  return model_->gradient(x, batches_.load(index, workspace), g, workspace);
}

double Trainer::local_steps(const Compute& work, std::span<float> y, Workspace& workspace) {
  std::span<const float> x = work.at.floats();
  if (work.rule.fresh) optimizer_.reset();
  const bool plain = optimizer_.plain() && !svrg_ && !privacy_ && !work.rule.bends();
  double loss = 0;
  for (uint64_t k = 0; k < work.steps && !workspace.given_up(); ++k) {
    const uint64_t index = work.first_batch + k;
    const float rate = optimizer_.spec().rate_at(index, total_batches_);
    if (plain) {
      loss += model_->descend(rate, x, batches_.load(index, workspace), y, workspace);
    } else {
      const std::span<float> g = workspace.take(slots::kGradient, y.size());
      loss += gradient(index, x, g, workspace);
      if (workspace.given_up()) break;  // g may be anything
      apply_rule(work.rule, x, g, workspace);
      optimizer_.step(rate, x, g, y);
    }
    x = y;
  }
  return loss / work.steps;
}

Computed Trainer::run(const Compute& work, Pool& pool, Workspace& workspace,
                      const std::atomic<bool>* cancelled) {
  const size_t p = model_->parameters();
  KITH_ASSERT(work.steps > 0 && work.at.floats().size() == p);
  if (revocable_) {
    optimizer_.mark();
    if (svrg_) svrg_->mark();
  }
  Computed computed;
  computed.ticket = work.ticket;
  computed.steps = work.steps;
  const Workspace::Cancellation cancellation(workspace, cancelled);
  Buffer result = pool.acquire_floats(p);
  const std::span<float> y = result.floats();
  if (work.rule.kind == LocalRule::Kind::kGradient) {
    KITH_ASSERT(work.steps == 1);
    computed.loss = gradient(work.first_batch, work.at.floats(), y, workspace);
  } else {
    computed.loss = local_steps(work, y, workspace);
  }
  computed.finite = std::isfinite(computed.loss) && kernels::all_finite(y);
  computed.result = std::move(result).freeze();
  return computed;
}

Evaluation evaluate(const Model& model, const Dataset& data, std::span<const float> x,
                    Workspace& workspace) {
  constexpr size_t kBlock = 256;  // rows; larger ones gain nothing and cost memory
  Model::Score total;
  for (size_t begin = 0; begin < data.rows(); begin += kBlock) {
    Batch batch;
    batch.rows = std::min(kBlock, data.rows() - begin);
    const std::span<float> features = workspace.take(slots::kFeatures, batch.rows * data.width());
    for (size_t i = 0; i < batch.rows; ++i) {
      data.copy_row(begin + i, features.subspan(i * data.width(), data.width()));
    }
    batch.features = features;
    batch.labels = data.labels().subspan(begin, batch.rows);
    const Model::Score score = model.score(x, batch, workspace);
    total.loss += score.loss;
    total.correct += score.correct;
  }
  if (data.rows() == 0) return {};
  const auto rows = static_cast<double>(data.rows());
  return {total.loss / rows, static_cast<double>(total.correct) / rows};
}

}  // namespace kith
