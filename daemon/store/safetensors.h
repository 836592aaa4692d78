// Models on disk, in the safetensors format: 8 bytes of header length (little-endian), a JSON
// header with name, type, shape and place of every tensor, then the raw values. Anything that reads
// Hugging Face models reads these.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "daemon/learn/model.h"

namespace kith {

using Metadata = std::map<std::string, std::string>;

// `parts`, one after the other, hold the tensors one after the other: the flat parameter vector of
// a Model as a single part, or each tensor as its own. Atomic. Throws OperatorError when the disk
// refuses.
void write_safetensors(const std::filesystem::path& path, const std::vector<TensorSpec>& tensors,
                       std::span<const std::span<const float>> parts, const Metadata& metadata);
inline void write_safetensors(const std::filesystem::path& path,
                              const std::vector<TensorSpec>& tensors, std::span<const float> values,
                              const Metadata& metadata) {
  write_safetensors(path, tensors, std::span(&values, 1), metadata);
}

struct StoredTensors {
  std::vector<TensorSpec> tensors;  // in the order of their place in the file
  std::vector<float> values;
  Metadata metadata;
};

// Reads a file of 32-bit floats. Throws OperatorError that names the file and what is wrong with
// it; no length in it is trusted.
StoredTensors read_safetensors(const std::filesystem::path& path);

}  // namespace kith
