#include "protocol/describe.h"

#include <cmath>
#include <cstdio>

#include "protocol/kernels.h"

namespace kith {

void describe_vector(const char* name, const SharedBuffer& x, std::string& out) {
  char text[96];
  if (!x || x.size() == 0) {
    std::snprintf(text, sizeof text, " %s=-", name);
  } else {
    const double norm = std::sqrt(kernels::squared_norm(x.floats()));
    std::snprintf(text, sizeof text, " %s=|%.6g|:%.6g", name, norm,
                  static_cast<double>(x.floats()[0]));
  }
  out += text;
}

}  // namespace kith
