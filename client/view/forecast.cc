#include "client/view/forecast.h"

#include <fmt/format.h>

#include "client/view/units.h"

namespace kith {

std::string forecast_text(const Rehearsal& rehearsal) {
  std::string text = fmt::format("A round: a node sends {} messages, {}",
                                 number_text(rehearsal.messages), bytes_text(rehearsal.bytes));
  if (rehearsal.bytes_most > 1.05 * rehearsal.bytes) {
    text += fmt::format(" (the busiest {})", bytes_text(rehearsal.bytes_most));
  }
  if (rehearsal.seconds > 0) {
    text += fmt::format("; {} by the delays of the job", duration_text(rehearsal.seconds));
  }
  return text + ".";
}

}  // namespace kith
