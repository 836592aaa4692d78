#include "protocol/coordinator/hub.h"

namespace kith {

OptionSpec option_adapt_every() {
  return {"adapt_every", OptionSpec::Type::kNumber,
          60.0,          "T_0: seconds between two looks at the training loss",
          1e-6,          1e9};
}

}  // namespace kith
