// How far a run is: one line, fitted to the terminal.
#pragma once

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

#include "topology/types.h"

namespace kith {

struct Progress {
  Round round = 0;                           // completed
  Round rounds = 0;                          // to run
  double seconds = 0;                        // wall clock of the training so far
  std::optional<double> loss;                // mean training loss of the nodes
  std::optional<double> accuracy;            // of the average model, fraction
  std::optional<double> consensus_distance;  // mean over the nodes of |x_i - mean x|^2
  std::optional<double> bytes_sent_per_node;
  std::string
      warning;  // such as a peer that is silent; takes the place of the less important parts
};

// At most `width` columns, without a line feed. What does not fit is left out, the least important
// first: consensus distance, bytes, rate, time left; the bar shrinks before anything goes.
std::string render_progress(const Progress& progress, size_t width);

// Where progress is shown.
enum class ViewMode {
  kTerminal,  // one line, rewritten
  kLines,     // a plain line now and then
  kSilent,
};

// On standard output; with `json`, which keeps that for the result, on standard error and only if
// that is a terminal.
class ProgressView {
 public:
  explicit ProgressView(bool json);
  ~ProgressView() { clear(); }
  ProgressView(const ProgressView&) = delete;
  ProgressView& operator=(const ProgressView&) = delete;

  // Shows it, unless that was done a moment ago.
  void update(const Progress& progress);

  // A line that stays, above the progress.
  void say(const std::string& line);

  // Takes the rewritten line away.
  void clear();

 private:
  size_t width() const;
  void draw();

  FILE* out_;
  ViewMode mode_;
  std::string drawn_;
  std::optional<std::chrono::steady_clock::time_point> last_;
};

}  // namespace kith
