// progress_bar.hpp - how far a long operation is, on stderr and only for a person who looks at it.
#pragma once

#include <cstdint>
#include <string_view>

namespace bifrost::cachectl {

class ProgressBar {
 public:
  // Draws nothing at all unless stderr is a terminal.
  ProgressBar(std::string_view what, std::uint64_t total);
  // Wipes the line, so that messages start at its beginning.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(std::uint64_t done);

 private:
  std::string_view what_;
  std::uint64_t total_;
  bool visible_;
  unsigned shown_percent_ = 101;  // nothing drawn yet
};

}  // namespace bifrost::cachectl
