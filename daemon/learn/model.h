// A model is a function of one flat parameter vector and a batch. Stateless and shared by all
// threads; what a computation needs beside its arguments lives in a Workspace.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "protocol/layout.h"
#include "topology/options.h"
#include "topology/rng.h"
#include "topology/types.h"

namespace kith {

// A mini-batch as the model reads it. Models without data (the laboratory) use `noise` alone.
struct Batch {
  std::span<const float> features;  // rows x width, row-major, 64-byte aligned
  std::span<const int32_t> labels;  // rows
  size_t rows = 0;
  NodeId node{};
  uint64_t seed = 0;   // with node and index: the noise stream of this batch
  uint64_t index = 0;  // batch index of this node
  bool exact = false;  // laboratory: its expectation, without noise
};

// Scratch of one thread for one model; sized at the first use, no allocation afterwards.
class Workspace {
 public:
  // At least `floats` floats, 64-byte aligned, contents undefined; `slot` names the use.
  std::span<float> take(size_t slot, size_t floats);

  // The work is not wanted any more: a model may return early, with any result. Once true it stays
  // so until the work is over.
  bool given_up() const {
    return cancelled_ != nullptr && cancelled_->load(std::memory_order_relaxed);
  }

  // While it lives, given_up() is what `cancelled` (may be null) says.
  class Cancellation {
   public:
    Cancellation(Workspace& workspace, const std::atomic<bool>* cancelled) : workspace_(workspace) {
      workspace_.cancelled_ = cancelled;
    }
    ~Cancellation() { workspace_.cancelled_ = nullptr; }
    Cancellation(const Cancellation&) = delete;
    Cancellation& operator=(const Cancellation&) = delete;

   private:
    Workspace& workspace_;
  };

 private:
  struct Aligned;
  std::vector<std::shared_ptr<Aligned>> slots_;
  const std::atomic<bool>* cancelled_ = nullptr;
};

class Model {
 public:
  virtual ~Model() = default;

  virtual size_t parameters() const = 0;
  virtual Layout tensors() const = 0;  // of parameters() values

  // Equal on every node of a job: `rng` is one stream for all.
  virtual void initialise(Rng& rng, std::span<float> x) const = 0;

  // Mean loss over the batch; `gradient` (p floats) is overwritten. No allocation in the steady
  // state, one thread. A large model looks at Workspace::given_up() now and then.
  virtual double gradient(std::span<const float> x, const Batch& batch, std::span<float> gradient,
                          Workspace& workspace) const = 0;

  // Mean loss over the batch; `gradient` is the mean over its rows of their single gradients, each
  // shortened to `clip` where it is longer (privacy.h). By default one row after the other; a model
  // that knows the lengths without the gradients overrides it.
  virtual double clipped_gradient(double clip, std::span<const float> x, const Batch& batch,
                                  std::span<float> gradient, Workspace& workspace) const;

  // y = x - rate * gradient(x), bit for bit; returns the mean loss. `y` may be `x`. A model whose
  // gradient comes layer by layer saves a pass over the parameters by overriding it.
  virtual double descend(float rate, std::span<const float> x, const Batch& batch,
                         std::span<float> y, Workspace& workspace) const;

  // Sums over the rows: loss and correctly classified rows.
  struct Score {
    double loss = 0;
    uint64_t correct = 0;
  };
  virtual Score score(std::span<const float> x, const Batch& batch, Workspace& workspace) const = 0;

  // False for the laboratory: no data set, no accuracy.
  virtual bool needs_data() const { return true; }
};

// What a model may know of its data before it is built.
struct DataShape {
  size_t features = 0;
  size_t classes = 0;
};

// One line of models.def: MODEL(symbol) names `const ModelInfo symbol_model` in
// daemon/learn/model/<symbol>.cc.
struct ModelInfo {
  const char* name;
  const char* help;
  bool needs_data;
  OptionSpecs options;
  std::unique_ptr<Model> (*make)(const DataShape& shape, uint32_t nodes, const Options& options);
};

std::vector<const ModelInfo*> all_models();
const ModelInfo& model_info(const std::string& name);  // throws OperatorError with the known names

}  // namespace kith
