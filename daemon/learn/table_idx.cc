// IDX, the format of MNIST: 0, 0, type, number of dimensions; each dimension as a big-endian 32-bit
// number; then the values, row-major and big-endian. Types: 0x08 bytes, 0x09 signed bytes, 0x0b
// int16, 0x0c int32, 0x0d float. Features may be bytes or floats, labels any integer.
#include <bit>
#include <cstring>

#include "daemon/learn/table.h"

namespace kith {

namespace {

constexpr uint8_t kBytes = 0x08;
constexpr uint8_t kSignedBytes = 0x09;
constexpr uint8_t kInt16 = 0x0b;
constexpr uint8_t kInt32 = 0x0c;
constexpr uint8_t kFloat = 0x0d;

struct Header {
  uint8_t type = 0;
  size_t rows = 0;
  size_t width = 1;  // product of the dimensions but the first
};

size_t size_of(uint8_t type) {
  switch (type) {
    case kBytes:
    case kSignedBytes: return 1;
    case kInt16: return 2;
    case kInt32:
    case kFloat: return 4;
    default: return 0;
  }
}

uint32_t big_endian(const uint8_t* from, size_t size) {
  uint32_t value = 0;
  for (size_t i = 0; i < size; ++i) value = value << 8 | from[i];
  return value;
}

Header read_header(InputFile& file) {
  uint8_t magic[4];
  file.read(magic);
  if (magic[0] != 0 || magic[1] != 0 || size_of(magic[2]) == 0 || magic[3] == 0) {
    file.fail("is no IDX file (nor .csv or .npy): it starts with the wrong magic number");
  }
  Header header;
  header.type = magic[2];
  for (int i = 0; i < magic[3]; ++i) {
    uint8_t size[4];
    file.read(size);
    const uint32_t dimension = big_endian(size, 4);
    if (i == 0) {
      header.rows = dimension;
    } else {
      header.width *= dimension;
      if (header.width > kMaximumWidth) file.fail("declares rows of more than 2^24 features");
    }
  }
  if (header.rows == 0 || header.width == 0) file.fail("holds no rows");
  return header;
}

int64_t integer(uint8_t type, const uint8_t* from) {
  const uint32_t bits = big_endian(from, size_of(type));
  if (type == kSignedBytes) return static_cast<int8_t>(bits);
  if (type == kInt16) return static_cast<int16_t>(bits);
  return type == kInt32 ? static_cast<int32_t>(bits) : bits;
}

std::vector<int32_t> read_labels(const std::string& path) {
  InputFile file(path);
  const Header header = read_header(file);
  if (header.width != 1 || header.type == kFloat) {
    file.fail("holds no labels: they must be one integer for each row");
  }
  std::vector<int64_t> values;  // grows with the file: its declared size is not trusted
  uint8_t value[4];
  for (size_t row = 0; row < header.rows; ++row) {
    file.read({value, size_of(header.type)});
    values.push_back(integer(header.type, value));
  }
  if (!file.at_end()) file.fail("holds more labels than its header declares");
  return checked_labels(file, values);
}

class IdxTable : public Table {
 public:
  explicit IdxTable(const TableFiles& files) : path_(files.features) {
    InputFile file(path_);
    header_ = read_header(file);
    if (header_.type != kBytes && header_.type != kFloat) {
      file.fail("holds integers of 2 or 4 bytes, but features must be bytes or floats");
    }
    labels_ = read_labels(files.labels);
    if (labels_.size() != header_.rows) {
      file.fail("has " + std::to_string(header_.rows) + " rows, but " + files.labels + " has " +
                std::to_string(labels_.size()) + " labels");
    }
    width_ = header_.width;
    bytes_ = header_.type == kBytes;
  }

  void read(const Wants& wants, const Take& take) const override {
    InputFile file(path_);
    read_header(file);
    std::vector<uint8_t> raw(width_ * size_of(header_.type));
    std::vector<float> floats(bytes_ ? 0 : width_);
    for (size_t row = 0; row < rows(); ++row) {
      file.read(raw);
      if (!wants(row)) continue;
      for (size_t j = 0; j < floats.size(); ++j) {
        floats[j] = std::bit_cast<float>(big_endian(raw.data() + 4 * j, 4));
      }
      take(row, bytes_ ? RowView{raw, {}} : RowView{{}, floats});
    }
    if (!file.at_end()) file.fail("holds more rows than its header declares");
  }

 private:
  std::string path_;
  Header header_;
};

}  // namespace

std::unique_ptr<Table> open_idx(const TableFiles& files) {
  return std::make_unique<IdxTable>(files);
}

}  // namespace kith
