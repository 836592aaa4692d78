// CSV as RFC 4180 has it: fields by commas, quoted where they hold a comma, a quote (doubled) or a
// line break. The first record is a header when one of its features is not a number.
#include <algorithm>
#include <charconv>
#include <map>

#include "daemon/learn/table.h"
#include "topology/error.h"

namespace kith {

namespace {

class CsvReader {
 public:
  explicit CsvReader(const std::string& path) : file_(path) {}

  // The next record that is no empty line; false at the end.
  bool next(std::vector<std::string>& fields) {
    do {
      if (!record(fields)) return false;
    } while (fields.size() == 1 && fields[0].empty());
    return true;
  }

  size_t line() const { return started_; }  // on which the last record started, from 1
  const InputFile& file() const { return file_; }

 private:
  static constexpr int kEnd = -1;

  int get() {
    if (at_ == size_) {
      size_ = file_.read_some(buffer_);
      at_ = 0;
      if (size_ == 0) return kEnd;
    }
    const int c = buffer_[at_++];
    if (c == '\n') ++line_;
    return c;
  }

  bool record(std::vector<std::string>& fields) {
    started_ = line_;
    int c = get();
    if (c == kEnd) return false;
    size_t count = 0;
    for (;;) {
      if (count == fields.size()) fields.emplace_back();
      fields[count].clear();
      c = c == '"' ? quoted(fields[count]) : plain(c, fields[count]);
      ++count;
      if (c != ',') break;
      c = get();
    }
    fields.resize(count);
    return true;
  }

  // Both return what ended the field: a comma, a line break or the end.
  int plain(int c, std::string& field) {
    for (; c != ',' && c != '\n' && c != kEnd; c = get()) {
      if (c != '\r') field.push_back(static_cast<char>(c));
    }
    return c;
  }

  int quoted(std::string& field) {
    for (int c = get();; c = get()) {
      if (c == kEnd) {
        file_.fail("has a quote without an end in the record of line " + std::to_string(started_));
      }
      if (c != '"') {
        field.push_back(static_cast<char>(c));
        continue;
      }
      c = get();
      if (c != '"') return plain(c, field);
      field.push_back('"');
    }
  }

  InputFile file_;
  std::vector<uint8_t> buffer_ = std::vector<uint8_t>(64 * 1024);
  size_t at_ = 0;
  size_t size_ = 0;
  size_t line_ = 1;
  size_t started_ = 1;
};

// Blanks around the number are allowed.
template <class T>
bool parse(std::string_view text, T& value) {
  const size_t begin = text.find_first_not_of(" \t+");
  const size_t end = text.find_last_not_of(" \t");
  if (begin == std::string_view::npos) return false;
  text = text.substr(begin, end - begin + 1);
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

size_t find_column(const CsvReader& reader, const std::vector<std::string>& first,
                   const std::string& wanted) {
  if (wanted.empty()) return first.size() - 1;
  size_t column = 0;
  if (parse(std::string_view(wanted), column)) {
    if (column < first.size()) return column;
  } else {
    const auto named = std::ranges::find(first, wanted);
    if (named != first.end()) return static_cast<size_t>(named - first.begin());
  }
  reader.file().fail("has no column \"" + wanted +
                     "\": data.label_column must be a name of its header or a number from 0 to " +
                     std::to_string(first.size() - 1));
}

class CsvTable : public Table {
 public:
  CsvTable(const TableFiles& files, const Table* training) : path_(files.features) {
    CsvReader reader(path_);
    std::vector<std::string> fields;
    if (!reader.next(fields)) reader.file().fail("holds no rows");
    if (fields.size() < 2) reader.file().fail("has one column, but needs features and a label");
    width_ = fields.size() - 1;
    label_column_ = find_column(reader, fields, files.label_column);
    header_ = is_header(fields, files.label_column);
    read_labels(reader, fields, training);
  }

  void read(const Wants& wants, const Take& take) const override {
    CsvReader reader(path_);
    std::vector<std::string> fields;
    std::vector<float> features(width_);
    if (header_) reader.next(fields);
    for (size_t row = 0; reader.next(fields); ++row) {
      check_width(reader, fields);
      if (!wants(row)) continue;
      for (size_t j = 0; j < width_; ++j) {
        const std::string& text = fields[j + (j >= label_column_)];
        if (!parse(std::string_view(text), features[j])) {
          reader.file().fail("has \"" + text.substr(0, 40) + "\" on line " +
                             std::to_string(reader.line()) + ", but features must be numbers");
        }
      }
      take(row, {{}, features});
    }
  }

 private:
  bool is_header(const std::vector<std::string>& fields, const std::string& label_column) const {
    float value;
    if (fields[label_column_] == label_column && !parse(std::string_view(label_column), value)) {
      return true;  // named, so that it must be there
    }
    for (size_t j = 0; j < fields.size(); ++j) {
      if (j != label_column_ && !parse(std::string_view(fields[j]), value)) return true;
    }
    return false;
  }

  void check_width(const CsvReader& reader, const std::vector<std::string>& fields) const {
    if (fields.size() == width_ + 1) return;
    reader.file().fail("has " + std::to_string(fields.size()) + " fields on line " +
                       std::to_string(reader.line()) + ", but " + std::to_string(width_ + 1) +
                       " on the first");
  }

  // Texts are kept once each: a row costs one number.
  void read_labels(CsvReader& reader, std::vector<std::string>& fields, const Table* training) {
    std::map<std::string, int64_t> ids;
    std::vector<int64_t> rows;
    bool more = !header_ || reader.next(fields);
    for (; more; more = reader.next(fields)) {
      check_width(reader, fields);
      rows.push_back(ids.try_emplace(fields[label_column_], ids.size()).first->second);
    }
    if (rows.empty()) reader.file().fail("holds no rows");
    std::vector<int64_t> classes(ids.size());
    code(reader, ids, training, classes);
    for (int64_t& row : rows) row = classes[static_cast<size_t>(row)];
    labels_ = checked_labels(reader.file(), rows);
  }

  // The class of each distinct text: its number, or its place among the sorted texts.
  void code(const CsvReader& reader, const std::map<std::string, int64_t>& ids,
            const Table* training, std::vector<int64_t>& classes) {
    const bool numbers = std::ranges::all_of(ids, [&](const auto& entry) {
      return parse(std::string_view(entry.first), classes[static_cast<size_t>(entry.second)]);
    });
    const bool named = training ? !training->class_names().empty() : !numbers;
    if (!named && numbers) return;
    if (training) {
      class_names_ = training->class_names();
    } else {
      for (const auto& entry : ids) class_names_.push_back(entry.first);
    }
    for (const auto& [text, id] : ids) {
      const auto found = std::ranges::lower_bound(class_names_, text);
      if (found == class_names_.end() || *found != text) {
        reader.file().fail("has label \"" + text.substr(0, 40) +
                           "\", which the training set does not have");
      }
      classes[static_cast<size_t>(id)] = found - class_names_.begin();
    }
  }

  std::string path_;
  size_t label_column_ = 0;
  bool header_ = false;
};

}  // namespace

std::unique_ptr<Table> open_csv(const TableFiles& files, const Table* training) {
  return std::make_unique<CsvTable>(files, training);
}

}  // namespace kith
