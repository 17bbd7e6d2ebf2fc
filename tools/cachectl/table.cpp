#include "tools/cachectl/table.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "common/cli/screen_text.hpp"

namespace bifrost::cachectl {
namespace {

constexpr std::size_t kGap = 2;

std::string cut_to(const std::string& cell, Table::Cut cut, std::size_t width) {
  switch (cut) {
    case Table::Cut::kNever: return cell;
    case Table::Cut::kEnd: return cli::cut_end(cell, width);
    case Table::Cut::kStart: return cli::cut_start(cell, width);
  }
  return cell;
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  for (const Column& column : columns_) widths_.push_back(cli::width_of(column.title));
}

void Table::row(std::vector<std::string> cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], cli::width_of(cells[i]));
  rows_.push_back(std::move(cells));
}

// Takes from the widest that may be cut until the row fits, or nothing may be cut any more.
std::vector<std::size_t> Table::widths_within(std::size_t screen) const {
  std::vector<std::size_t> widths = widths_;
  if (screen == cli::kUnlimited) return widths;
  std::size_t total = std::accumulate(widths.begin(), widths.end(), kGap * (widths.size() - 1));
  while (total > screen) {
    std::size_t* widest = nullptr;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const bool may = columns_[i].cut != Cut::kNever && widths[i] > columns_[i].least;
      if (may && (widest == nullptr || widths[i] > *widest)) widest = &widths[i];
    }
    if (widest == nullptr) break;
    --*widest;
    --total;
  }
  return widths;
}

void Table::write_row(Output& out, const std::vector<std::string>& cells,
                      const std::vector<std::size_t>& widths) const {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string cell = cut_to(cells[i], columns_[i].cut, widths[i]);
    const std::size_t taken = cli::width_of(cell);
    const std::string padding(taken < widths[i] ? widths[i] - taken : 0, ' ');
    const bool last = i + 1 == cells.size();
    if (columns_[i].align == Align::kRight) line += padding;
    line += cell;
    if (columns_[i].align == Align::kLeft && !last) line += padding;
    if (!last) line += std::string(kGap, ' ');
  }
  out.line(line);
}

void Table::write_to(Output& out) const {
  const std::vector<std::size_t> widths = widths_within(out.width());
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  if (out.headers()) write_row(out, titles, widths);
  for (const auto& cells : rows_) write_row(out, cells, widths);
}

}  // namespace bifrost::cachectl
