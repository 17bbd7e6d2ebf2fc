#include "tools/cachectl/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "common/base/module_path.hpp"
#include "common/redis/contract.hpp"

namespace bifrost::cachectl {
namespace {

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t bytes = 0;  // 0: the bytes are not UTF-8
};

CodePoint decode_first(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return {first, 1};
  std::size_t length = 0;
  std::uint32_t smallest = 0;
  std::uint32_t value = 0;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2, smallest = 0x80, value = first & 0x1f;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3, smallest = 0x800, value = first & 0x0f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4, smallest = 0x10000, value = first & 0x07;
  } else {
    return {};
  }
  if (text.size() < length) return {};
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3fu);
  }
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < smallest || value > 0x10ffff || surrogate) return {};
  return {value, length};
}

// Characters that change how a line looks beyond their own place in it.
bool is_deceptive(std::uint32_t c) {
  return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
         c == 0x061c || (c >= 0xe0000 && c <= 0xe007f);
}

void append_printable(std::string& out, std::uint32_t c, std::string_view bytes) {
  if (c == '\\') {
    out += "\\\\";
  } else if (c == '\n') {
    out += "\\n";
  } else if (c == '\t') {
    out += "\\t";
  } else if (c < 0x20 || c == 0x7f) {
    out += fmt::format("\\x{:02x}", c);
  } else if ((c >= 0x80 && c < 0xa0) || is_deceptive(c)) {
    out += fmt::format("\\u{{{:x}}}", c);
  } else {
    out += bytes;
  }
}

}  // namespace

std::string printable(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const CodePoint c = decode_first(bytes);
    if (c.bytes == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes.front()));
      bytes.remove_prefix(1);
      continue;
    }
    append_printable(out, c.value, bytes.substr(0, c.bytes));
    bytes.remove_prefix(c.bytes);
  }
  return out;
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) return std::string(text);
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

std::string human_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  constexpr std::array<std::string_view, 4> kUnits = {"KiB", "MiB", "GiB", "TiB"};
  double amount = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (amount >= 1023.95 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

std::string human_duration(std::chrono::nanoseconds duration) {
  const double seconds = std::max(0.0, std::chrono::duration<double>(duration).count());
  if (seconds != 0 && seconds < 0.01) return fmt::format("{:.2g} ms", seconds * 1000);
  if (seconds < 10) return fmt::format("{:.2f} s", seconds);
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 3600) return fmt::format("{:.0f} min", seconds / 60);
  if (seconds < 172'800) return fmt::format("{:.1f} h", seconds / 3600);
  return fmt::format("{:.1f} d", seconds / 86'400);
}

std::string utc_time(std::uint64_t unix_ms) {
  // Clamped to the year 9999, since the number comes out of a file.
  const auto seconds = static_cast<std::time_t>(std::min<std::uint64_t>(unix_ms / 1000, 253'402'300'799u));
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec);
}

namespace {

std::string_view without_solution(std::string_view path) {
  const std::string root = std::string(contract::kSolutionsRoot) + "/";
  if (path.substr(0, root.size()) != root) return path;
  const auto slash = path.find('/', root.size());
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

bool is_package_path(std::string_view path) {
  return without_solution(path).ends_with(paths::kInitFile);
}

std::string import_name(std::string_view path) {
  std::string_view inner = without_solution(path);
  if (is_package_path(path)) {
    inner.remove_suffix(paths::kInitFile.size());
  } else if (inner.ends_with(paths::kSuffix)) {
    inner.remove_suffix(paths::kSuffix.size());
  }
  std::string name(inner);
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

}  // namespace bifrost::cachectl
