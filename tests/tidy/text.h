// Reads C++ as text, far enough for the tidy rules: what is code, what is a comment, where does a
// function begin and end. Not a parser: it knows nothing of types.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace kith::tidy {

enum class Keep {
  kCode,            // comments and the contents of literals become blanks
  kCodeAndStrings,  // comments become blanks
  kAllButStrings,   // the contents of literals become blanks
};

// `text` with what is not kept replaced by blanks: every line keeps its number and its columns.
std::string masked(std::string_view text, Keep keep);

// Without the line ends. A last line without one counts.
std::vector<std::string> lines_of(std::string_view text);

// Characters, not bytes, of a UTF-8 line.
size_t columns(std::string_view line);

struct Include {
  size_t line;  // from 1
  std::string path;
  bool quoted;  // "path", not <path>
};

std::vector<Include> includes_of(std::string_view text);

struct Function {
  size_t first_line;  // where its head begins, from 1
  size_t lines;       // from the head to the closing brace
  std::string name;   // what stands before the first bracket
};

struct Functions {
  std::vector<Function> found;
  bool balanced;  // false: the braces do not match and `found` cannot be trusted
};

// Functions at namespace or class level, by brace matching. Preprocessor lines are left out.
Functions functions_of(std::string_view text);

// The first arguments of the lines `MACRO(symbol, ...)` of a registry (.def file).
std::vector<std::string> registered_in(std::string_view def_text);

// Whether `word` stands in `code` with no identifier character on either side.
bool has_word(std::string_view code, std::string_view word);

}  // namespace kith::tidy
