#include "client/view/forecast.h"

#include <fmt/format.h>

#include "client/view/units.h"

namespace kith {

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

std::string advice_text(const StepAdvice& advice) {
  const std::string text = fmt::format(
      "algorithm.gamma = {} is too long a step for this codec on this graph: models drift apart",
      number_text(advice.given));
  if (advice.works == 0) return text;
  return text + fmt::format("; {} draws them together", number_text(advice.works));
}

}  // namespace kith
