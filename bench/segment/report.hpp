// report.hpp - rows of the bench: what was measured beside which peer, and the budget of the ratio.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace bifrost::bench {

double median(std::vector<double> values);

struct Row {
  std::size_t modules = 0;
  std::string what;
  double ours = 0;
  std::string peer;
  double theirs = 0;
  std::string unit;
  std::optional<double> budget;
  bool at_most = true;  // the ratio has to be at most the budget, or at least
};

class Report {
 public:
  // Prints the row. Nothing happens when either side was not measured.
  void add(const Row& row);
  void note(const std::string& text);
  // False when the file cannot be written.
  bool write_json(const std::string& file, const std::string& command) const;

 private:
  std::vector<Row> rows_;
  std::vector<std::string> notes_;
};

}  // namespace bifrost::bench
