// Columns as wide as what stands in them, for terminals.
#pragma once

#include <string>
#include <vector>

namespace kith {

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> titles) : rows_{std::move(titles)} {}

  // As many cells as there are titles.
  void add(std::vector<std::string> cells);

  // Lines with two blanks before each; no blanks at their ends.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;  // the titles first
};

}  // namespace kith
