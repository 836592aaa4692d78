#include "daemon/learn/table.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "topology/error.h"

namespace kith {

namespace {

// More classes than this is a column that is no label.
constexpr int64_t kClasses = 1 << 16;

bool ends_with(const std::string& text, const char* end) { return text.ends_with(end); }

}  // namespace

InputFile::InputFile(const std::string& path) : path_(path), file_(gzopen(path.c_str(), "rb")) {
  if (file_ == nullptr) throw OperatorError(path + " cannot be opened: check the path in [data]");
  gzbuffer(static_cast<gzFile>(file_), 128 * 1024);
}

InputFile::~InputFile() { gzclose_r(static_cast<gzFile>(file_)); }

size_t InputFile::read_some(std::span<uint8_t> to) {
  size_t done = 0;
  while (done < to.size()) {
    const auto step = static_cast<unsigned>(std::min<size_t>(to.size() - done, 1u << 30));
    const int got = gzread(static_cast<gzFile>(file_), to.data() + done, step);
    if (got < 0) fail("is damaged: its gzip data cannot be decompressed");
    if (got == 0) {
      int error = Z_OK;  // an unfinished stream counts as its end, but for this
      gzerror(static_cast<gzFile>(file_), &error);
      if (error == Z_BUF_ERROR) fail("is truncated: its gzip data ends too early");
      break;
    }
    done += static_cast<size_t>(got);
  }
  return done;
}

void InputFile::read(std::span<uint8_t> to) {
  if (read_some(to) != to.size()) {
    fail("is truncated: it ends at byte " + std::to_string(gztell(static_cast<gzFile>(file_))) +
         " of its contents");
  }
}

bool InputFile::at_end() {
  uint8_t byte;
  return read_some({&byte, 1}) == 0;
}

void InputFile::fail(const std::string& what) const { throw OperatorError(path_ + " " + what); }

std::vector<int32_t> checked_labels(const InputFile& file, const std::vector<int64_t>& values) {
  std::vector<int32_t> labels;
  labels.reserve(values.size());
  for (size_t row = 0; row < values.size(); ++row) {
    if (values[row] < 0 || values[row] >= kClasses) {
      file.fail("has label " + std::to_string(values[row]) + " in row " + std::to_string(row) +
                ", but labels must be whole numbers from 0 to " + std::to_string(kClasses - 1));
    }
    labels.push_back(static_cast<int32_t>(values[row]));
  }
  return labels;
}

std::unique_ptr<Table> open_table(const TableFiles& files, const Table* training) {
  if (ends_with(files.features, ".csv") || ends_with(files.features, ".csv.gz")) {
    return open_csv(files, training);
  }
  if (files.labels.empty()) {
    throw OperatorError(files.features +
                        " holds no labels: name their file too (data.labels, or data.test_labels "
                        "for the test set)");
  }
  std::unique_ptr<Table> table =
      ends_with(files.features, ".npy") ? open_npy(files) : open_idx(files);
  return table;
}

}  // namespace kith
