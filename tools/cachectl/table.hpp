// table.hpp - rows of text under a header, columns aligned, as a terminal shows them.
//
// The last column is not padded: paths of any script and width go there without shifting anything.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tools/cachectl/output.hpp"

namespace bifrost::cachectl {

class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns);
  // As many cells as there are columns, already printable.
  void row(std::vector<std::string> cells);
  void write_to(Output& out) const;

 private:
  void write_row(Output& out, const std::vector<std::string>& cells) const;

  std::vector<Column> columns_;
  std::vector<std::size_t> widths_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace bifrost::cachectl
