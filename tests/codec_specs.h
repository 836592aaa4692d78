// What tests of all codecs run over.
#pragma once

#include <string>
#include <vector>

#include "protocol/codec.h"

namespace kith::test {

// Every registered codec with its example, and every chain of two.
inline std::vector<std::string> every_codec() {
  std::vector<std::string> specs;
  for (const CodecInfo* info : all_codecs()) specs.emplace_back(info->example);
  for (const CodecInfo* first : all_codecs()) {
    for (const CodecInfo* second : all_codecs()) {
      if (first->over == nullptr || second->over != nullptr) continue;
      specs.push_back(std::string(first->example) + " | " + second->example);
    }
  }
  return specs;
}

}  // namespace kith::test
