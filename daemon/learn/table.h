// A file of rows that is read as a stream: labels at once, features row by row.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace kith {

// Features of a row that a header may declare: one row is held in memory before the file has shown
// that it is so long.
inline constexpr size_t kMaximumWidth = size_t{1} << 24;

// One row of features: one of the two is empty.
struct RowView {
  std::span<const uint8_t> bytes;
  std::span<const float> floats;
};

class Table {
 public:
  using Wants = std::function<bool(size_t row)>;
  using Take = std::function<void(size_t row, const RowView& features)>;

  virtual ~Table() = default;

  size_t rows() const { return labels_.size(); }
  size_t width() const { return width_; }
  bool bytes() const { return bytes_; }
  std::span<const int32_t> labels() const { return labels_; }  // classes from 0
  // CSV with labels that are not numbers: the label of each class, sorted; empty otherwise.
  const std::vector<std::string>& class_names() const { return class_names_; }

  // Reads all rows in order and hands over the wanted ones. Holds one row at a time.
  virtual void read(const Wants& wants, const Take& take) const = 0;

 protected:
  size_t width_ = 0;
  bool bytes_ = false;
  std::vector<int32_t> labels_;
  std::vector<std::string> class_names_;
};

struct TableFiles {
  std::string features;
  std::string labels;        // empty for CSV
  std::string label_column;  // CSV: header name or 0-based number; empty = last
};

// By the ending of `features`: .csv (also .csv.gz), .npy, anything else IDX. `training`, if not
// null, is the table whose class names hold. All throw OperatorError with the path.
std::unique_ptr<Table> open_table(const TableFiles& files, const Table* training = nullptr);
std::unique_ptr<Table> open_csv(const TableFiles& files, const Table* training);
std::unique_ptr<Table> open_npy(const TableFiles& files);
std::unique_ptr<Table> open_idx(const TableFiles& files);

// A file, compressed by gzip or not, read from the front.
class InputFile {
 public:
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }
  // Bytes that were read, fewer than asked for at the end of the file only.
  size_t read_some(std::span<uint8_t> to);
  // Exactly; throws that the file is truncated, which says where.
  void read(std::span<uint8_t> to);
  bool at_end();  // nothing is left

  [[noreturn]] void fail(const std::string& what) const;  // "<path> <what>"

 private:
  std::string path_;
  void* file_;  // gzFile
};

// Class labels that a format gives as integers; throws for the first that is no class.
std::vector<int32_t> checked_labels(const InputFile& file, const std::vector<int64_t>& values);

}  // namespace kith
