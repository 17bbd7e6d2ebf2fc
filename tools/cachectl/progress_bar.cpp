#include "tools/cachectl/progress_bar.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <string>

namespace bifrost::cachectl {
namespace {

void draw(const std::string& text) {
  // Decoration: a failure to draw changes nothing.
  [[maybe_unused]] const ssize_t drawn = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

ProgressBar::ProgressBar(std::string_view what, std::uint64_t total)
    : what_(what), total_(total), visible_(total > 0 && ::isatty(STDERR_FILENO) != 0) {}

ProgressBar::~ProgressBar() {
  if (visible_ && shown_percent_ <= 100) draw("\r\x1b[K");
}

void ProgressBar::show(std::uint64_t done) {
  if (!visible_) return;
  const auto percent = static_cast<unsigned>(done * 100 / total_);
  if (percent == shown_percent_) return;
  shown_percent_ = percent;
  constexpr unsigned kWidth = 30;
  const unsigned filled = percent * kWidth / 100;
  draw(fmt::format("\r{} [{}{}] {:3} %  {}/{}", what_, std::string(filled, '#'), std::string(kWidth - filled, '.'),
                   percent, done, total_));
}

}  // namespace bifrost::cachectl
