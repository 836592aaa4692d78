// NumPy's .npy, versions 1 and 2: "\x93NUMPY", version, length of the header, the header as a
// Python dict, then the values. C order, little-endian; u1, i4, i8, f4, f8.
#include <cstring>

#include "daemon/learn/table.h"

namespace kith {

namespace {

enum class Kind : uint8_t { kU1, kI4, kI8, kF4, kF8 };

struct Header {
  Kind kind = Kind::kU1;
  size_t rows = 0;
  size_t width = 1;  // product of the dimensions but the first
};

constexpr size_t kHeaderBytes = 64 * 1024;  // longest that is read
constexpr const char* kWanted =
    "but features must be u1, i4, i8, f4 or f8 and labels u1, i4 or i8, little-endian";

size_t size_of(Kind kind) {
  switch (kind) {
    case Kind::kU1: return 1;
    case Kind::kI4:
    case Kind::kF4: return 4;
    default: return 8;
  }
}

// The text behind `'key':`, up to the end of the header.
std::string value_of(const InputFile& file, const std::string& header, const std::string& key) {
  const size_t at = header.find("'" + key + "'");
  const size_t colon = at == std::string::npos ? at : header.find(':', at);
  if (colon == std::string::npos) file.fail("has no '" + key + "' in its .npy header");
  const size_t begin = header.find_first_not_of(' ', colon + 1);
  if (begin == std::string::npos) file.fail("has a damaged .npy header");
  return header.substr(begin);
}

Kind read_kind(const InputFile& file, const std::string& header) {
  const std::string text = value_of(file, header, "descr");
  const size_t end = text.find('\'', 1);
  const std::string descr = text.substr(0, end == std::string::npos ? end : end + 1);
  if (descr == "'|u1'" || descr == "'<u1'") return Kind::kU1;
  if (descr == "'<i4'") return Kind::kI4;
  if (descr == "'<i8'") return Kind::kI8;
  if (descr == "'<f4'") return Kind::kF4;
  if (descr == "'<f8'") return Kind::kF8;
  file.fail("holds values of type " + descr.substr(0, 40) + ", " + kWanted);
}

void read_shape(const InputFile& file, const std::string& header, Header& out) {
  const std::string text = value_of(file, header, "shape");
  if (text[0] != '(') file.fail("has a damaged shape in its .npy header");
  bool first = true;
  for (size_t i = 1; i < text.size() && text[i] != ')';) {
    if (text[i] < '0' || text[i] > '9') {
      ++i;
      continue;
    }
    size_t value = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
      value = value * 10 + static_cast<size_t>(text[i] - '0');
      if (value > (size_t{1} << 40)) file.fail("has a damaged shape in its .npy header");
    }
    (first ? out.rows : out.width) *= first ? 1 : value;
    if (first) out.rows = value;
    first = false;
    if (out.width > kMaximumWidth) file.fail("declares rows of more than 2^24 features");
  }
  if (out.rows == 0 || out.width == 0) file.fail("holds no rows");
}

Header read_header(InputFile& file) {
  uint8_t start[8];
  file.read(start);
  if (std::memcmp(start, "\x93NUMPY", 6) != 0) {
    file.fail("is no .npy file: it starts with the wrong magic number");
  }
  if (start[6] != 1 && start[6] != 2) {
    file.fail("is .npy of version " + std::to_string(start[6]) + ", but must be 1 or 2");
  }
  uint8_t length[4] = {};
  file.read({length, start[6] == 1 ? 2u : 4u});
  const size_t size =
      length[0] | length[1] << 8 | length[2] << 16 | static_cast<size_t>(length[3]) << 24;
  if (size > kHeaderBytes) file.fail("has a damaged .npy header");
  std::string text(size, ' ');
  file.read({reinterpret_cast<uint8_t*>(text.data()), size});
  Header header;
  header.kind = read_kind(file, text);
  if (!value_of(file, text, "fortran_order").starts_with("False")) {
    file.fail("is in Fortran order: save it with numpy.ascontiguousarray");
  }
  read_shape(file, text, header);
  return header;
}

template <class T>
T value_at(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

float number(Kind kind, const uint8_t* from) {
  switch (kind) {
    case Kind::kU1: return *from;
    case Kind::kI4: return static_cast<float>(value_at<int32_t>(from));
    case Kind::kI8: return static_cast<float>(value_at<int64_t>(from));
    case Kind::kF4: return value_at<float>(from);
    case Kind::kF8: return static_cast<float>(value_at<double>(from));
  }
  return 0;
}

std::vector<int32_t> read_labels(const std::string& path) {
  InputFile file(path);
  const Header header = read_header(file);
  if (header.width != 1) file.fail("holds no labels: they must be one integer for each row");
  if (header.kind == Kind::kF4 || header.kind == Kind::kF8) {
    file.fail(std::string("holds floats, ") + kWanted);
  }
  std::vector<int64_t> values;  // grows with the file: its declared size is not trusted
  uint8_t raw[8];
  for (size_t row = 0; row < header.rows; ++row) {
    file.read({raw, size_of(header.kind)});
    values.push_back(header.kind == Kind::kU1   ? raw[0]
                     : header.kind == Kind::kI4 ? value_at<int32_t>(raw)
                                                : value_at<int64_t>(raw));
  }
  if (!file.at_end()) file.fail("holds more labels than its header declares");
  return checked_labels(file, values);
}

class NpyTable : public Table {
 public:
  explicit NpyTable(const TableFiles& files) : path_(files.features) {
    InputFile file(path_);
    header_ = read_header(file);
    labels_ = read_labels(files.labels);
    if (labels_.size() != header_.rows) {
      file.fail("has " + std::to_string(header_.rows) + " rows, but " + files.labels + " has " +
                std::to_string(labels_.size()) + " labels");
    }
    width_ = header_.width;
    bytes_ = header_.kind == Kind::kU1;
  }

  void read(const Wants& wants, const Take& take) const override {
    InputFile file(path_);
    read_header(file);
    const size_t size = size_of(header_.kind);
    std::vector<uint8_t> raw(width_ * size);
    std::vector<float> floats(bytes_ ? 0 : width_);
    for (size_t row = 0; row < rows(); ++row) {
      file.read(raw);
      if (!wants(row)) continue;
      for (size_t j = 0; j < floats.size(); ++j) {
        floats[j] = number(header_.kind, raw.data() + j * size);
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

std::unique_ptr<Table> open_npy(const TableFiles& files) {
  return std::make_unique<NpyTable>(files);
}

}  // namespace kith
