// json_text.hpp - texts as JSON strings, in ASCII.
#pragma once

#include <string>
#include <string_view>

namespace bifrost {

// Appends `text`, which is UTF-8, in quotes: what is not printable ASCII as json.dumps escapes it. A byte that is no
// UTF-8 is taken for the character of its number.
void append_json_string(std::string& out, std::string_view text);

}  // namespace bifrost
