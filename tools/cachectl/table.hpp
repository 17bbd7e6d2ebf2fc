// table.hpp - rows of text under a header, columns aligned, as a terminal shows them.
//
// On a terminal no row is wider than it: columns that may be cut are, the widest first. Elsewhere nothing is cut. The
// last column is not padded.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tools/cachectl/output.hpp"

namespace bifrost::cachectl {

class Table {
 public:
  enum class Align { kLeft, kRight };
  enum class Cut { kNever, kEnd, kStart };  // kStart keeps the end, which tells paths apart
  struct Column {
    std::string title;
    Align align = Align::kLeft;
    Cut cut = Cut::kNever;
    std::size_t least = 8;  // columns that stay when it is cut
  };

  explicit Table(std::vector<Column> columns);
  // As many cells as there are columns, already printable.
  void row(std::vector<std::string> cells);
  void write_to(Output& out) const;

 private:
  std::vector<std::size_t> widths_within(std::size_t screen) const;
  void write_row(Output& out, const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) const;

  std::vector<Column> columns_;
  std::vector<std::size_t> widths_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace bifrost::cachectl
