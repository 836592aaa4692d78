#include "daemon/job_train.h"

#include <algorithm>
#include <cmath>

#include "daemon/learn/model.h"
#include "protocol/limits.h"
#include "topology/error.h"

namespace kith {

namespace {

Schedule read_schedule(const Options& train) {
  Schedule schedule;
  const std::string& kind = train.text("schedule");
  if (kind == "step") schedule.kind = Schedule::Kind::kStep;
  if (kind == "cosine") schedule.kind = Schedule::Kind::kCosine;
  schedule.warm_up_steps = static_cast<uint64_t>(train.integer("warm_up_steps"));
  schedule.milestones = train.numbers("milestones");
  schedule.factor = train.number("factor");
  schedule.floor_fraction = train.number("floor");
  return schedule;
}

void check_optimizer(const OptimizerSpec& optimizer) {
  if (!(optimizer.learning_rate > 0)) {
    throw OperatorError("train.learning_rate is 0, so nothing would be learnt: try 0.1");
  }
  if (optimizer.nesterov && optimizer.momentum == 0) {
    throw OperatorError("train.nesterov = true needs train.momentum above 0, such as 0.9");
  }
  const Schedule& schedule = optimizer.schedule;
  if (schedule.kind == Schedule::Kind::kStep && schedule.milestones.empty()) {
    throw OperatorError(
        "train.schedule = \"step\" needs train.milestones: fractions of the run, such as "
        "[0.5, 0.75]");
  }
  if (!std::ranges::is_sorted(schedule.milestones)) {
    throw OperatorError("train.milestones must rise, such as [0.5, 0.75]");
  }
}

void check_batch(const BatchSchedule& batch) {
  if (!std::ranges::is_sorted(batch.milestones)) {
    throw OperatorError("train.batch_milestones must rise, such as [0.5, 0.75]");
  }
  if (batch.milestones.empty() != (batch.factor == 1)) {
    throw OperatorError(
        batch.milestones.empty()
            ? "train.batch_factor is " + to_text(batch.factor) +
                  ", but does nothing without train.batch_milestones: fractions of the run, such "
                  "as [0.5, 0.75]"
            : "train.batch_milestones needs train.batch_factor above 1, such as 2");
  }
  const double largest =
      batch.size * std::pow(batch.factor, static_cast<double>(batch.milestones.size()));
  if (std::round(largest) > limits::kBatch) {
    throw OperatorError("train.batch = " + std::to_string(batch.size) + " grows to " +
                        to_text(std::round(largest)) +
                        " samples by train.batch_factor = " + to_text(batch.factor) +
                        ", but must stay within " + std::to_string(limits::kBatch));
  }
}

// What the laboratory, which has no data, cannot do.
void check_laboratory(const Job& job) {
  const std::string model = "model.kind = \"" + job.model.kind + "\"";
  if (!job.train.batch.milestones.empty()) {
    throw OperatorError("train.batch_milestones needs batches that can grow, but " + model +
                        " has no data: remove it, or lower model.noise");
  }
  if (job.train.svrg_period == uint64_t{0}) {
    throw OperatorError("train.svrg_period = 0 means a pass over the data, but " + model +
                        " has none: set it to a number of batches from 1");
  }
}

}  // namespace

TrainSpec read_train(const Options& train, const Choice& optimizer) {
  TrainSpec spec;
  spec.batch.size = static_cast<uint32_t>(train.integer("batch"));
  spec.batch.milestones = train.numbers("batch_milestones");
  spec.batch.factor = train.number("batch_factor");
  spec.optimizer.learning_rate = static_cast<float>(train.number("learning_rate"));
  spec.optimizer.weight_decay = static_cast<float>(train.number("weight_decay"));
  spec.optimizer.schedule = read_schedule(train);
  if (optimizer.kind == "adamw") {
    spec.optimizer.kind = OptimizerSpec::Kind::kAdamW;
    spec.optimizer.beta1 = optimizer.options.number("beta1");
    spec.optimizer.beta2 = optimizer.options.number("beta2");
    spec.optimizer.epsilon = optimizer.options.number("epsilon");
  } else {
    spec.optimizer.momentum = static_cast<float>(optimizer.options.number("momentum"));
    spec.optimizer.nesterov = optimizer.options.flag("nesterov");
  }
  const auto period = static_cast<uint64_t>(train.integer("svrg_period"));
  if (train.text("variance_reduction") == "svrg") {
    spec.svrg_period = period;
  } else if (period > 0) {
    throw OperatorError("train.svrg_period is " + std::to_string(period) +
                        ", but does nothing without train.variance_reduction = \"svrg\"");
  }
  return spec;
}

void check_train(const Job& job) {
  check_optimizer(job.train.optimizer);
  check_batch(job.train.batch);
  if (!model_info(job.model.kind).needs_data) check_laboratory(job);
}

}  // namespace kith
