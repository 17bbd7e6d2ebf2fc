// self_described.hpp - contents that say what they are, so that a reader needs no other truth to judge them by.
//
// NAME|STAMP|BYTES|DIGEST|FILLER: the storage path, the generation that wrote it, the length of the whole and the
// XXH3-64 of the filler. A content that was torn, mixed from two or found under another name contradicts itself.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/layout/key_hash.hpp"  // which decides how XXH3 is included

namespace bifrost::stress {

inline std::string describe(std::string_view name, std::uint64_t stamp, std::size_t filler_bytes) {
  std::string filler(filler_bytes, '\0');
  std::uint64_t state = XXH3_64bits_withSeed(name.data(), name.size(), stamp);
  for (char& c : filler) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>('a' + (state >> 59) % 26);
  }
  const std::uint64_t digest = XXH3_64bits(filler.data(), filler.size());
  const std::string rest = fmt::format("|{:016x}|{}", digest, filler);
  std::string text = fmt::format("{}|{}|{:08}{}", name, stamp, 0, rest);
  return fmt::format("{}|{}|{:08}{}", name, stamp, text.size(), rest);
}

// The stamp of a content that was found under `name`; nothing when it contradicts itself or its name.
inline std::optional<std::uint64_t> stamp_of(std::string_view name, std::string_view content) {
  std::string_view rest = content;
  const auto next = [&rest]() -> std::optional<std::string_view> {
    const auto end = rest.find('|');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    return part;
  };
  const auto number = [](std::string_view text, int base) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (err != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
  };
  const auto own_name = next();
  const auto stamp = next();
  const auto bytes = next();
  const auto digest = next();
  if (!digest || *own_name != name || number(*bytes, 10) != content.size() ||
      number(*digest, 16) != XXH3_64bits(rest.data(), rest.size())) {
    return std::nullopt;
  }
  return number(*stamp, 10);
}

inline std::string code_for(std::string_view name, std::uint64_t stamp) {
  return fmt::format("code of {} at {}", name, stamp);
}

}  // namespace bifrost::stress
