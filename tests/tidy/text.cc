#include "tests/tidy/text.h"

#include <algorithm>
#include <cctype>
#include <regex>

namespace kith::tidy {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

bool starts(std::string_view text, size_t at, std::string_view what) {
  return text.substr(at, what.size()) == what;
}

// The end of the literal or comment that begins at `at`, one past its last character.
size_t end_of_line_comment(std::string_view text, size_t at) {
  return std::min(text.find('\n', at), text.size());
}

size_t end_of_block_comment(std::string_view text, size_t at) {
  const size_t end = text.find("*/", at + 2);
  return end == text.npos ? text.size() : end + 2;
}

size_t end_of_quoted(std::string_view text, size_t at) {
  size_t i = at + 1;
  while (i < text.size() && text[i] != text[at] && text[i] != '\n') i += text[i] == '\\' ? 2 : 1;
  return std::min(i + 1, text.size());
}

// `at` is the R of R"delimiter( ... )delimiter".
size_t end_of_raw_string(std::string_view text, size_t at) {
  const size_t open = text.find('(', at);
  if (open == text.npos) return text.size();
  std::string closing = ")";
  closing += text.substr(at + 2, open - at - 2);
  closing += '"';
  const size_t end = text.find(closing, open);
  return end == text.npos ? text.size() : end + closing.size();
}

bool digit_separator(std::string_view text, size_t at) {
  return at > 0 && std::isxdigit(static_cast<unsigned char>(text[at - 1])) &&
         at + 1 < text.size() && std::isxdigit(static_cast<unsigned char>(text[at + 1])) &&
         (at + 2 >= text.size() || text[at + 2] != '\'');
}

void blank(std::string& text, size_t from, size_t to) {
  for (size_t i = from; i < to; ++i) {
    if (text[i] != '\n') text[i] = ' ';
  }
}

void blank_preprocessor(std::string& code) {
  bool inside = false;
  size_t at = 0;
  while (at < code.size()) {
    const size_t end = std::min(code.find('\n', at), code.size());
    const size_t first = code.find_first_not_of(" \t", at);
    if (inside || (first < end && code[first] == '#')) {
      inside = end > at && code[end - 1] == '\\';
      blank(code, at, end);
    }
    at = end + 1;
  }
}

std::string trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\n");
  if (first == text.npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t\n") - first + 1));
}

// Removes a leading template<...>, with its nested brackets.
std::string without_template(std::string head) {
  while (starts(head, 0, "template")) {
    size_t i = head.find('<');
    if (i == head.npos) return head;
    int depth = 0;
    do {
      depth += head[i] == '<' ? 1 : head[i] == '>' ? -1 : 0;
      ++i;
    } while (i < head.size() && depth > 0);
    head = trimmed(head.substr(i));
  }
  return head;
}

// Finds the bodies by following braces; a brace means what the text before it says.
class BraceReader {
 public:
  explicit BraceReader(std::string_view code) : code_(code) {}

  Functions read() {
    while (at_ < code_.size() && balanced_) take(code_[at_]);
    return {std::move(found_), balanced_ && containers_ == 0 && parens_ == 0};
  }

 private:
  void take(char c) {
    if (c == '\n') ++line_;
    if (c == '(') ++parens_;
    if (c == ')') --parens_;
    if (c == '{') return open();
    ++at_;
    if (c == '}') {
      balanced_ = --containers_ >= 0;
      restart();
    } else if ((c == ';' && parens_ == 0) || (c == ':' && access_label())) {
      restart();
    } else if (!std::isspace(static_cast<unsigned char>(c))) {
      if (head_.empty()) head_line_ = line_;
      head_ += c;
    } else if (!head_.empty()) {
      head_ += ' ';
    }
  }

  void open() {
    static const std::regex kContainer(
        "^(inline )?(namespace|class|struct|union|enum|extern)\\b.*");
    const std::string head = without_template(trimmed(head_));
    const bool call = head.find('(') != head.npos;
    if (parens_ == 0 && std::regex_match(head, kContainer) &&
        !(call && starts(head, 0, "extern"))) {
      ++containers_;
      ++at_;
      restart();
    } else if (parens_ > 0 || !call || head.back() == '=' || member_initialiser(head)) {
      skip_block();  // a braced value inside the head, which goes on
      head_ += '}';
    } else {
      const size_t first = head_line_;
      skip_block();
      found_.push_back({first, line_ - first + 1, trimmed(head.substr(0, head.find('(')))});
      restart();
    }
  }

  // In `X::X() : a_{1} {` the first brace opens a value, the second one the body.
  static bool member_initialiser(const std::string& head) {
    static const std::regex kList("\\)\\s*(noexcept(\\([^)]*\\))?\\s*)?:[^:]");
    return std::regex_search(head, kList) && (is_word(head.back()) || head.back() == '>');
  }

  bool access_label() const {
    const std::string head = trimmed(head_);
    return head == "public" || head == "private" || head == "protected";
  }

  void skip_block() {
    int depth = 0;
    do {
      const char c = code_[at_++];
      depth += c == '{' ? 1 : c == '}' ? -1 : 0;
      if (c == '\n') ++line_;
    } while (at_ < code_.size() && depth > 0);
    balanced_ = balanced_ && depth == 0;
  }

  void restart() { head_.clear(); }

  std::string_view code_;
  size_t at_ = 0;
  size_t line_ = 1;
  int containers_ = 0;  // namespaces and classes open here
  int parens_ = 0;
  bool balanced_ = true;
  std::string head_;  // the text since the last statement or block
  size_t head_line_ = 1;
  std::vector<Function> found_;
};

}  // namespace

std::string masked(std::string_view text, Keep keep) {
  std::string out(text);
  size_t at = 0;
  while (at < text.size()) {
    size_t end = at + 1;
    if (starts(text, at, "//") || starts(text, at, "/*")) {
      end = text[at + 1] == '/' ? end_of_line_comment(text, at) : end_of_block_comment(text, at);
      if (keep != Keep::kAllButStrings) blank(out, at, end);
    } else if (starts(text, at, "R\"") && (at == 0 || !is_word(text[at - 1]))) {
      end = end_of_raw_string(text, at);
      if (keep != Keep::kCodeAndStrings) blank(out, at + 2, end - 1);
    } else if (text[at] == '"' || (text[at] == '\'' && !digit_separator(text, at))) {
      end = end_of_quoted(text, at);
      if (keep != Keep::kCodeAndStrings && end > at + 2) blank(out, at + 1, end - 1);
    }
    at = end;
  }
  return out;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

size_t columns(std::string_view line) {
  return static_cast<size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::vector<Include> includes_of(std::string_view text) {
  static const std::regex kInclude("^\\s*#\\s*include\\s*([<\"])([^>\"]+)[>\"]");
  std::vector<Include> found;
  size_t number = 0;
  for (const std::string& line : lines_of(masked(text, Keep::kCodeAndStrings))) {
    ++number;
    std::smatch match;
    if (std::regex_search(line, match, kInclude)) {
      found.push_back({number, match[2], match[1] == "\""});
    }
  }
  return found;
}

Functions functions_of(std::string_view text) {
  std::string code = masked(text, Keep::kCode);
  blank_preprocessor(code);
  return BraceReader(code).read();
}

std::vector<std::string> registered_in(std::string_view def_text) {
  static const std::regex kLine("^\\s*[A-Z_]+\\(\\s*([A-Za-z0-9_]+)\\s*[,)]");
  std::vector<std::string> symbols;
  for (const std::string& line : lines_of(masked(def_text, Keep::kCode))) {
    std::smatch match;
    if (std::regex_search(line, match, kLine)) symbols.push_back(match[1]);
  }
  return symbols;
}

bool has_word(std::string_view code, std::string_view word) {
  for (size_t at = code.find(word); at != code.npos; at = code.find(word, at + 1)) {
    const size_t after = at + word.size();
    const bool left = at == 0 || !is_word(code[at - 1]);
    const bool right = after >= code.size() || !is_word(code[after]);
    if (left && right) return true;
  }
  return false;
}

}  // namespace kith::tidy
