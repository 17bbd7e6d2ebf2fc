// plain_path_rules.hpp - which paths modules can have, once more, each rule as plainly as it can be said. Slow.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bifrost {

inline bool plainly_utf8(std::string_view text) {
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};  // by the number of bytes
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    const std::size_t bytes = lead < 0x80             ? 1
                              : (lead & 0xE0) == 0xC0 ? 2
                              : (lead & 0xF0) == 0xE0 ? 3
                              : (lead & 0xF8) == 0xF0 ? 4
                                                      : 0;
    if (bytes == 0) return false;
    std::uint32_t code_point = bytes == 1 ? lead : lead & (0x7Fu >> bytes);
    for (std::size_t n = 1; n < bytes; ++n, ++i) {
      if (i == text.size() || (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return false;
      code_point = code_point << 6 | (static_cast<unsigned char>(text[i]) & 0x3Fu);
    }
    if (code_point < kLeast[bytes] || code_point > 0x10FFFF) return false;
    if (code_point >= 0xD800 && code_point <= 0xDFFF) return false;
  }
  return true;
}

inline bool plainly_a_path(const std::string& path) {
  if (path.size() > 1024 || !plainly_utf8(path) || path.find('\0') != std::string::npos) return false;
  if (path.rfind("index:", 0) == 0 || path.rfind("resolution:", 0) == 0) return false;
  std::vector<std::string> parts(1);
  for (const char c : path) {
    if (c == '/') {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  for (const std::string& part : parts) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  const std::string& last = parts.back();
  if (last.size() <= 3 || last.compare(last.size() - 3, 3, ".py") != 0) return false;
  const std::string name = last.substr(0, last.size() - 3);
  return name != "." && name != "..";
}

}  // namespace bifrost
