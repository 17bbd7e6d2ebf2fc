#include "report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

namespace bifrost::bench {
namespace {

bool met(const Row& row) {
  const double ratio = row.ours / row.theirs;
  return row.at_most ? ratio <= *row.budget : ratio >= *row.budget;
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Report::add(const Row& row) {
  if (row.ours <= 0 || row.theirs <= 0) return;  // left out on the command line
  const std::string budget = row.budget ? fmt::format("budget {} {:4.2f}   {}", row.at_most ? "<=" : ">=", *row.budget,
                                                      met(row) ? "met" : "MISSED")
                                        : "";
  fmt::print("{:>8} {:<32} {:>12.1f} {:<9} {:<26} {:>12.1f}   ratio {:6.2f}   {}\n", row.modules, row.what, row.ours,
             row.unit, row.peer, row.theirs, row.ours / row.theirs, budget);
  std::fflush(stdout);
  rows_.push_back(row);
}

void Report::note(const std::string& text) {
  fmt::print("{}\n", text);
  notes_.push_back(text);
}

bool Report::write_json(const std::string& file, const std::string& command) const {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const Row& row : rows_) {
    nlohmann::ordered_json out = {{"modules", row.modules},
                                  {"what", row.what},
                                  {"unit", row.unit},
                                  {"ours", row.ours},
                                  {"peer", row.peer},
                                  {"theirs", row.theirs},
                                  {"ratio", row.ours / row.theirs}};
    if (row.budget) {
      out["budget"] = *row.budget;
      out["at_most"] = row.at_most;
      out["met"] = met(row);
    }
    rows.push_back(out);
  }
  std::ofstream to(file);
  to << nlohmann::ordered_json{{"schema", 1}, {"command", command}, {"rows", rows}, {"notes", notes_}}.dump(2) << '\n';
  return static_cast<bool>(to.flush());
}

}  // namespace bifrost::bench
