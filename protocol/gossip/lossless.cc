#include "protocol/gossip/lossless.h"

#include <string>

#include "topology/error.h"

namespace kith {

void check_lossless(const Setting& setting, const char* name, const char* why) {
  if (!setting.lossy) return;
  throw OperatorError(std::string("[codec] asks for one that loses something, but "
                                  "algorithm.kind = \"") +
                      name + "\" " + why +
                      ": take codec.kind = \"identity\" or \"zstd\", or algorithm.kind = "
                      "\"choco-sgd\"");
}

}  // namespace kith
