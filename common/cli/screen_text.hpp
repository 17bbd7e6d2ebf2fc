// screen_text.hpp - text on a screen of limited width: how wide it is, where it breaks, how it is cut. The one place
// that knows.
//
// Texts are UTF-8 without control characters, but for colours. Pure functions, but for terminal_width().
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace bifrost::cli {

inline constexpr std::size_t kUnlimited = 0;
inline constexpr std::size_t kUsualWidth = 80;

// Columns of the terminal behind `fd`, 40 at least; kUnlimited when it is none.
std::size_t terminal_width(int fd);
// Its lines, 12 at least; kUnlimited when it is none.
std::size_t terminal_height(int fd);
// Columns for prose on `fd`, which never goes on without end: those of the terminal, else of COLUMNS, else kUsualWidth.
std::size_t prose_width(int fd);

// Columns that the text takes: two for the wide characters of East Asia and for emoji, none for combining marks and for
// colours.
std::size_t width_of(std::string_view text);

// The text in lines of `width` columns, broken between words; what is longer than a line alone stays whole. The first
// line has room for what the caller puts before it: `hanging` columns less in every line. kUnlimited: one line.
std::vector<std::string> wrapped(std::string_view text, std::size_t width, std::size_t hanging = 0);

// `label`, then the text in lines below each other, all `indent` columns in. Ends with a line feed.
std::string paragraph(std::string_view label, std::string_view text, std::size_t width, std::size_t indent);

// At most `width` columns, an ellipsis in place of the end, or of the beginning.
std::string cut_end(std::string_view text, std::size_t width);
std::string cut_start(std::string_view text, std::size_t width);

}  // namespace bifrost::cli
