// module_path.hpp - the path of a module in the workspace, such as `shared/halopsa.py`: made once, where it comes in
// (a Redis key, a walk over a directory, a command line, the name in an import), or refused there with a reason.
//
// Code behind that edge takes these types and never a raw string: whatever Redis or a user spelled, a path names a file
// below whatever root it is put under, has an import name, and its key in Redis is a module's key.
// (P1) At most kMaxPathBytes of valid UTF-8 without NUL.
// (P2) Relative, and no part between its slashes is empty, `.` or `..`: below a root it stays below that root.
// (P3) It ends in `.py`, and what stands before that is a ModuleNode: each is made of the other without another look.
// (P4) It does not begin with what the platform keeps for other keys (`index:`, `resolution:`).
// Nothing is normalised: one file has one spelling. docs/redis-contract.md section 1 says the same to users.
// Concurrency: plain values.
#pragma once

#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "common/base/result.hpp"

namespace bifrost {

// The longest key that a segment holds: agent/mirror compares it with layout::kMaxKeyBytes.
inline constexpr std::size_t kMaxPathBytes = 1024;

enum class PathFault {
  kTooLong,
  kNotPython,
  kLeadingSlash,
  kTrailingSlash,
  kEmptyPart,  // two slashes in a row, or nothing at all
  kDotPart,    // `.` or `..`
  kNoName,     // nothing, `.` or `..` before the `.py`
  kNul,
  kNotUtf8,
  kReserved,
};

// One clause about the path: "it begins with a slash".
std::string_view reason_text(PathFault fault);

namespace paths {

inline constexpr std::string_view kSuffix = ".py";
inline constexpr std::string_view kInitFile = "/__init__.py";

// The bytes of the well-formed UTF-8 sequence that `text` begins with; 0 when there is none.
constexpr std::size_t sequence_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return 0;
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies beyond U+10FFFF.
  const bool fits = lead == 0xE0   ? byte(1) >= 0xA0
                    : lead == 0xED ? byte(1) < 0xA0
                    : lead == 0xF0 ? byte(1) >= 0x90
                    : lead == 0xF4 ? byte(1) < 0x90
                                   : true;
  return fits ? bytes : 0;
}

// What begins other keys of the platform, after the prefix that modules share with them.
constexpr bool is_reserved(std::string_view text) {
  return text.starts_with("index:") || text.starts_with("resolution:");
}

constexpr bool is_dots(std::string_view part) {
  return part.size() <= 2 && (part == "." || part == "..");
}

// NUL and broken UTF-8.
constexpr std::optional<PathFault> fault_in_bytes(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '\0') return PathFault::kNul;
    const std::size_t bytes = sequence_bytes(text.substr(i));
    if (bytes == 0) return PathFault::kNotUtf8;
    i += bytes;
  }
  return std::nullopt;
}

// Eight bytes at once: nothing when one of them is NUL or not ASCII, else the highest bit of each that is a slash.
inline std::optional<std::uint64_t> slashes_in_word(const char* at) {
  constexpr std::uint64_t kLow = 0x0101'0101'0101'0101;
  constexpr std::uint64_t kHigh = 0x80 * kLow;
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  if (((word | (word - kLow)) & kHigh) != 0) return std::nullopt;
  // Of ASCII bytes, only one that is zero stays below 0x80 here: a slash.
  return ~((word ^ '/' * kLow) + 0x7F * kLow) & kHigh;
}

// What parts and bytes can be guilty of, in one pass: every lookup of a name comes through here.
constexpr std::optional<PathFault> fault_in_parts(std::string_view text) {
  if (text.empty()) return PathFault::kEmptyPart;
  std::size_t begin = 0;  // of the part
  const auto end_part = [&](std::size_t at) -> std::optional<PathFault> {
    if (at == begin) return at == 0 ? PathFault::kLeadingSlash : PathFault::kEmptyPart;
    if (is_dots(text.substr(begin, at - begin))) return PathFault::kDotPart;
    begin = at + 1;
    return std::nullopt;
  };
  for (std::size_t i = 0; i < text.size();) {
    if (!std::is_constant_evaluated() && std::endian::native == std::endian::little && text.size() - i >= 8) {
      if (auto slashes = slashes_in_word(text.data() + i)) {
        for (; *slashes != 0; *slashes &= *slashes - 1) {
          const auto fault = end_part(i + static_cast<std::size_t>(std::countr_zero(*slashes)) / 8);
          if (fault) return fault;
        }
        i += 8;
        continue;
      }
    }
    if (text[i] == '\0') return PathFault::kNul;
    if (text[i] == '/') {
      if (const auto fault = end_part(i)) return fault;
    }
    const std::size_t bytes = sequence_bytes(text.substr(i));
    if (bytes == 0) return PathFault::kNotUtf8;
    i += bytes;
  }
  if (begin == text.size()) return PathFault::kTrailingSlash;
  if (is_dots(text.substr(begin))) return PathFault::kDotPart;
  if (is_reserved(text)) return PathFault::kReserved;
  return std::nullopt;
}

constexpr std::optional<PathFault> fault_in_node(std::string_view node) {
  if (node.size() + kSuffix.size() > kMaxPathBytes) return PathFault::kTooLong;
  return fault_in_parts(node);
}

constexpr std::optional<PathFault> fault_in_path(std::string_view path) {
  if (path.size() > kMaxPathBytes) return PathFault::kTooLong;
  if (!path.empty() && path.back() == '/') return PathFault::kTrailingSlash;
  if (path.size() < kSuffix.size() || path.substr(path.size() - kSuffix.size()) != kSuffix) {
    return PathFault::kNotPython;
  }
  const std::string_view node = path.substr(0, path.size() - kSuffix.size());
  const auto fault = fault_in_parts(node);
  if (!fault) return fault;
  // What is missing or a dot in the name is nothing of the kind in the path.
  const std::string_view name = node.substr(node.rfind('/') + 1);
  const bool of_the_name = name.empty() ? *fault == PathFault::kTrailingSlash || node.empty()
                                        : *fault == PathFault::kDotPart && is_dots(name);
  return of_the_name ? PathFault::kNoName : *fault;
}

// What no path begins with. A prefix may end anywhere, also within a part.
constexpr std::optional<PathFault> fault_in_prefix(std::string_view prefix) {
  if (prefix.size() > kMaxPathBytes) return PathFault::kTooLong;
  const auto slash = prefix.rfind('/');
  if (slash == 0) return PathFault::kLeadingSlash;
  if (slash != std::string_view::npos) {
    if (const auto fault = fault_in_parts(prefix.substr(0, slash))) {
      return *fault == PathFault::kTrailingSlash ? PathFault::kEmptyPart : *fault;
    }
  }
  if (is_reserved(prefix)) return PathFault::kReserved;
  // The last part may be cut within a character.
  return prefix.find('\0') == std::string_view::npos ? std::nullopt : std::optional(PathFault::kNul);
}

}  // namespace paths

// Whether `text` can be one part of a path: what a directory's listing holds.
constexpr bool is_path_part(std::string_view text) {
  return text.find('/') == std::string_view::npos && !text.empty() && !paths::is_dots(text) &&
         !paths::fault_in_bytes(text);
}

// A ModulePath that somebody else keeps.
class ModulePathView {
 public:
  // A path in the source code: one that is none does not compile.
  template <std::size_t N>
  consteval ModulePathView(const char (&literal)[N]) : text_(literal, N - 1) {
    if (paths::fault_in_path(text_)) throw "this can be no module's path";
  }

  static constexpr Result<ModulePathView, PathFault> parse(std::string_view text) {
    if (const auto fault = paths::fault_in_path(text)) return *fault;
    return ModulePathView(text, Checked{});
  }

  constexpr std::string_view text() const { return text_; }

  constexpr auto operator<=>(const ModulePathView&) const = default;

 private:
  friend class ModulePath;
  struct Checked {};
  constexpr ModulePathView(std::string_view text, Checked) : text_(text) {}

  std::string_view text_;
};

class ModulePath {
 public:
  explicit ModulePath(ModulePathView path) : text_(path.text()) {}

  static Result<ModulePath, PathFault> parse(std::string_view text) {
    const auto path = ModulePathView::parse(text);
    if (!path) return path.error();
    return ModulePath(*path);
  }

  const std::string& text() const { return text_; }
  operator ModulePathView() const { return {text_, ModulePathView::Checked{}}; }

  auto operator<=>(const ModulePath&) const = default;

 private:
  friend class ModuleNode;
  struct Checked {};
  ModulePath(std::string text, Checked) : text_(std::move(text)) {}

  std::string text_;
};

// What an import can name: a path without its `.py`, as in `shared/halopsa`. The module of that name lies in its file,
// or in the `__init__.py` of the directory so called.
class ModuleNode {
 public:
  static Result<ModuleNode, PathFault> parse(std::string text) {
    if (const auto fault = paths::fault_in_node(text)) return *fault;
    return ModuleNode(std::move(text));
  }

  const std::string& text() const { return text_; }
  ModulePath file() const;
  // `pkg/__init__`: the file of a package under a second name, which no directory lists.
  bool names_init() const { return std::string_view(text_).ends_with("/__init__"); }
  // Nothing when that would be too long.
  std::optional<ModulePath> package_file() const;

 private:
  explicit ModuleNode(std::string text) : text_(std::move(text)) {}

  std::string text_;
};

// Maps by path are asked with views.
struct ModulePathHash {
  using is_transparent = void;
  std::size_t operator()(ModulePathView path) const { return std::hash<std::string_view>()(path.text()); }
};
struct ModulePathEqual {
  using is_transparent = void;
  bool operator()(ModulePathView a, ModulePathView b) const { return a == b; }
};

}  // namespace bifrost
