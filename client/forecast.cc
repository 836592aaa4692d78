#include "client/forecast.h"

#include <fmt/format.h>

#include "client/view/units.h"
#include "daemon/job_notes.h"
#include "daemon/job_privacy.h"
#include "daemon/sim/gossip_stability.h"
#include "daemon/sim/rehearsal.h"

namespace kith {

namespace {

std::string advice_text(const StepAdvice& advice) {
  const std::string text = fmt::format(
      "algorithm.gamma = {} is too long a step for this codec on this graph: models drift apart",
      number_text(advice.given));
  if (advice.works == 0) return text;
  return text + fmt::format("; {} draws them together", number_text(advice.works));
}

std::string forecast_text(const Rehearsal& rehearsal, bool delayed) {
  const std::string messages = number_text(rehearsal.messages);
  std::string text = fmt::format("A round: a node sends {} message{}, {}", messages,
                                 messages == "1" ? "" : "s", bytes_text(rehearsal.bytes));
  if (rehearsal.bytes_most > 1.05 * rehearsal.bytes) {
    text += fmt::format(" (the busiest {})", bytes_text(rehearsal.bytes_most));
  }
  if (delayed && rehearsal.seconds > 0) {
    text += fmt::format("; {} ms by the delays of the job", number_text(1e3 * rehearsal.seconds));
  }
  return text + ".";
}

}  // namespace

void tell_notes(const Job& job, uint32_t nodes, ProgressView& view) {
  std::vector<std::string> notes = job_notes(job, nodes);
  if (const auto advice = advise_step(job, nodes)) notes.push_back(advice_text(*advice));
  for (const std::string& note : notes) view.say("note: " + note + ".");
}

void tell_privacy(const Job& job, std::span<const size_t> rows_by_node, ProgressView& view) {
  if (!job.privacy) return;
  for (const std::string& note : privacy_notes(job, rows_by_node)) {
    view.say("note: " + note + ".");
  }
}

void tell_forecast(const Job& job, uint32_t nodes, const Model& model, bool delayed,
                   ProgressView& view) {
  const auto rehearsal = rehearse(job, nodes, model);
  if (rehearsal) view.say(forecast_text(*rehearsal, delayed));
}

}  // namespace kith
