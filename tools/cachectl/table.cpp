#include "tools/cachectl/table.hpp"

#include <algorithm>
#include <utility>

namespace bifrost::cachectl {
namespace {

// Code points: right for the scripts of identifiers, and the one column where it may be wrong is not padded.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  for (const Column& column : columns_) widths_.push_back(width_of(column.title));
}

void Table::row(std::vector<std::string> cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], width_of(cells[i]));
  rows_.push_back(std::move(cells));
}

void Table::write_row(Output& out, const std::vector<std::string>& cells) const {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string padding(widths_[i] - width_of(cells[i]), ' ');
    const bool last = i + 1 == cells.size();
    if (columns_[i].align == Align::kRight) line += padding;
    line += cells[i];
    if (columns_[i].align == Align::kLeft && !last) line += padding;
    if (!last) line += "  ";
  }
  out.line(line);
}

void Table::write_to(Output& out) const {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  if (out.headers()) write_row(out, titles);
  for (const auto& cells : rows_) write_row(out, cells);
}

}  // namespace bifrost::cachectl
