// text.hpp - bytes of unknown origin made fit for people: terminals, units, import names.
//
// Paths and tokens come from Redis, where anybody may have put an escape sequence. Pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace bifrost::cachectl {

// The text with everything escaped that could move a terminal's cursor, hide, reorder or fake text: control
// characters, invalid bytes (\xNN), bidirectional overrides and line separators (\u{NNNN}); a backslash is doubled, so
// that the result tells which bytes there were.
std::string printable(std::string_view bytes);

// As one word of a POSIX shell, quoted where it must be.
std::string shell_word(std::string_view text);

// "812 B", "3.2 KiB", "4.1 MiB".
std::string human_bytes(std::uint64_t bytes);

// "0.24 s", "48 s", "12 min", "3.5 h", "2.1 d".
std::string human_duration(std::chrono::nanoseconds duration);

// "2031-05-17T08:15:00Z".
std::string utc_time(std::uint64_t unix_ms);

// The dotted name by which a worker imports a storage path: `shared/halopsa.py` is `shared.halopsa`,
// `pkg/__init__.py` is `pkg`; `_solutions/{id}/` is not part of it.
std::string import_name(std::string_view path);

// Whether the path is a package's `__init__.py`.
bool is_package_path(std::string_view path);

}  // namespace bifrost::cachectl
