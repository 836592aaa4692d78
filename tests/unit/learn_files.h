// Small files that the tests of readers write for themselves.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "topology/error.h"

namespace kith {

// A folder of its own for each test, removed with it.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "kith-learn-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }

  std::string write(const std::string& name, const std::string& contents) const {
    const std::string path = (path_ / name).string();
    std::ofstream(path, std::ios::binary) << contents;
    return path;
  }

  std::string write_gzip(const std::string& name, const std::string& contents) const {
    const std::string path = (path_ / name).string();
    gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, contents.data(), static_cast<unsigned>(contents.size()));
    gzclose(file);
    return path;
  }

 private:
  std::filesystem::path path_;
};

inline std::string big_endian(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

// `type` 0x08 bytes, 0x0c int32, 0x0d float.
inline std::string idx(uint8_t type, const std::vector<uint32_t>& dimensions,
                       const std::string& values) {
  std::string file = {'\0', '\0', static_cast<char>(type), static_cast<char>(dimensions.size())};
  for (const uint32_t dimension : dimensions) file += big_endian(dimension);
  return file + values;
}

template <class T>
std::string little_endian(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

inline std::string npy(const std::string& descr, const std::string& shape,
                       const std::string& values, int version = 1, const char* order = "False") {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
  std::string file = "\x93NUMPY";
  file += static_cast<char>(version);
  file += '\0';
  file += static_cast<char>(header.size());
  file += '\0';
  if (version == 2) file += std::string(2, '\0');
  return file + header + values;
}

// Runs `action`, which must throw an OperatorError that holds all of `parts`.
template <class Action>
void expect_operator_error(const Action& action, const std::vector<std::string>& parts) {
  try {
    action();
  } catch (const OperatorError& error) {
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "\"" << error.what() << "\" does not say \"" << part << "\"";
    }
    return;
  }
  FAIL() << "nothing was thrown";
}

}  // namespace kith
