// What tests of all codecs run over.
#pragma once

#include <cctype>
#include <string>
#include <vector>

#include "protocol/codec.h"

namespace kith::test {

// Every registered codec with its example, every chain of two, and one of three.
inline std::vector<std::string> every_codec() {
  std::vector<std::string> specs;
  for (const CodecInfo* info : all_codecs()) specs.emplace_back(info->example);
  for (const CodecInfo* first : all_codecs()) {
    for (const CodecInfo* second : all_codecs()) {
      const bool values = first->over != nullptr && second->make != nullptr;
      const bool packed = first->around == nullptr && second->around != nullptr;
      if (!values && !packed) continue;
      // Identity stands in every chain that names no other: "zstd" is "identity | zstd".
      if (std::string("identity") == (values ? second : first)->name) continue;
      specs.push_back(std::string(first->example) + " | " + second->example);
    }
  }
  specs.emplace_back("top-k:0.01 | qsgd:15 | zstd");
  return specs;
}

// The spec as the name of a test.
inline std::string identifier(const std::string& spec) {
  std::string name;
  for (const char c : spec) name += std::isalnum(c) ? c : '_';
  return name;
}

}  // namespace kith::test
