#include "common/base/json_text.hpp"

#include <cstdio>

#include "common/base/module_path.hpp"

namespace bifrost {
namespace {

void append_escaped_unit(std::string& out, unsigned unit) {
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "\\u%04x", unit);
  out += buffer;
}

void append_ascii(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    default: break;
  }
  if (c < 0x20 || c == 0x7f) return append_escaped_unit(out, static_cast<unsigned>(c));
  out.push_back(c);
}

// Of a well-formed sequence of two bytes and more.
unsigned point_of(std::string_view sequence) {
  unsigned point = static_cast<unsigned char>(sequence[0]) & (0xffu >> (sequence.size() + 1));
  for (const char c : sequence.substr(1)) point = point << 6 | (static_cast<unsigned char>(c) & 0x3fu);
  return point;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    const std::size_t bytes = paths::sequence_bytes(text);
    if (bytes == 1) {
      append_ascii(out, text[0]);
    } else if (bytes == 0) {
      append_escaped_unit(out, static_cast<unsigned char>(text[0]));
    } else if (const unsigned point = point_of(text.substr(0, bytes)); point >= 0x10000) {
      append_escaped_unit(out, 0xd800 + ((point - 0x10000) >> 10));
      append_escaped_unit(out, 0xdc00 + ((point - 0x10000) & 0x3ff));
    } else {
      append_escaped_unit(out, point);
    }
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  out.push_back('"');
}

}  // namespace bifrost
