#include "common/cli/screen_text.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace bifrost::cli {
namespace {

constexpr std::size_t kLeastWidth = 40;
constexpr std::size_t kLeastHeight = 12;
constexpr std::size_t kMostWidth = 1000;
constexpr char kEscape = '\x1b';
constexpr std::string_view kEllipsis = "\u2026";

using Range = std::pair<std::uint32_t, std::uint32_t>;
// Blocks, not characters: good enough to keep columns in line.
constexpr std::array<Range, 11> kWide = {{{0x1100, 0x115f},
                                          {0x2e80, 0x303e},
                                          {0x3041, 0xa4cf},
                                          {0xac00, 0xd7a3},
                                          {0xf900, 0xfaff},
                                          {0xfe30, 0xfe6f},
                                          {0xff00, 0xff60},
                                          {0xffe0, 0xffe6},
                                          {0x1f300, 0x1f64f},
                                          {0x1f900, 0x1f9ff},
                                          {0x20000, 0x3fffd}}};
constexpr std::array<Range, 5> kCombining = {
    {{0x0300, 0x036f}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}}};

template <std::size_t N>
bool is_in(const std::array<Range, N>& ranges, std::uint32_t c) {
  return std::any_of(ranges.begin(), ranges.end(), [c](const Range& r) { return c >= r.first && c <= r.second; });
}

struct Character {
  std::size_t bytes;
  std::size_t columns;
};

Character first_of(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text.front());
  std::size_t bytes = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
  bytes = std::min(bytes, text.size());
  std::uint32_t c = bytes == 1 ? byte : byte & (0xffu >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) c = c << 6 | (static_cast<unsigned char>(text[i]) & 0x3fu);
  return {bytes, is_in(kCombining, c) ? 0u : is_in(kWide, c) ? 2u : 1u};
}

// The bytes of `text` that fit `width` columns from its beginning.
std::size_t bytes_within(std::string_view text, std::size_t width) {
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    const Character c = first_of(text.substr(bytes));
    if (c.columns > width) break;
    width -= c.columns;
    bytes += c.bytes;
  }
  return bytes;
}

std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace

std::size_t terminal_width(int fd) {
  winsize size{};
  if (::isatty(fd) == 0 || ::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUnlimited;
  return std::clamp<std::size_t>(size.ws_col, kLeastWidth, kMostWidth);
}

std::size_t terminal_height(int fd) {
  winsize size{};
  if (::isatty(fd) == 0 || ::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) return kUnlimited;
  return std::clamp<std::size_t>(size.ws_row, kLeastHeight, kMostWidth);
}

std::size_t prose_width(int fd) {
  if (const std::size_t width = terminal_width(fd); width != kUnlimited) return width;
  const char* columns = std::getenv("COLUMNS");
  std::size_t width = kUsualWidth;
  if (columns != nullptr) {
    const std::string_view text(columns);
    std::from_chars(text.data(), text.data() + text.size(), width);
  }
  return std::clamp(width, kLeastWidth, kMostWidth);
}

std::size_t width_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    if (text.front() == kEscape) {
      const auto end = text.find('m');
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      continue;
    }
    const Character c = first_of(text);
    columns += c.columns;
    text.remove_prefix(c.bytes);
  }
  return columns;
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width, std::size_t hanging) {
  if (width == kUnlimited) return {std::string(text)};
  const std::size_t room = width > hanging + 20 ? width - hanging : 20;
  std::vector<std::string> lines(1);
  std::size_t used = 0;
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
    const std::size_t columns = width_of(word);
    if (used != 0 && used + 1 + columns > room) {
      lines.emplace_back();
      used = 0;
    }
    if (used != 0) lines.back() += ' ';
    lines.back() += word;
    used += columns + (used != 0 ? 1 : 0);
  }
  return lines;
}

std::string paragraph(std::string_view label, std::string_view text, std::size_t width, std::size_t indent) {
  std::string out(label);
  const std::size_t taken = width_of(label);
  const bool beside = taken <= indent;
  out += beside ? std::string(indent - taken, ' ') : "\n" + std::string(indent, ' ');
  bool first = true;
  for (const std::string& line : wrapped(text, width, indent)) {
    if (!std::exchange(first, false)) out += "\n" + std::string(indent, ' ');
    out += line;
  }
  return out + "\n";
}

std::string cut_end(std::string_view text, std::size_t width) {
  if (width_of(text) <= width) return std::string(text);
  if (width == 0) return {};
  return std::string(text.substr(0, bytes_within(text, width - 1))).append(kEllipsis);
}

std::string cut_start(std::string_view text, std::size_t width) {
  std::size_t columns = width_of(text);
  if (columns <= width) return std::string(text);
  if (width == 0) return {};
  while (columns > width - 1) {
    const Character c = first_of(text);
    columns -= c.columns;
    text.remove_prefix(c.bytes);
  }
  return std::string(kEllipsis).append(text);
}

}  // namespace bifrost::cli
