#include "common/redis/module_value.hpp"

#include <simdjson.h>

#include <cstdio>
#include <optional>

#include "common/layout/record_layout.hpp"

namespace bifrost {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxValueBytes = std::size_t{1} << 31;

Error refuse(std::string why) {
  return {ErrorCode::kInvalidArgument, std::move(why)};
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  return simdjson::validate_utf8(bytes.data(), bytes.size());
}

struct ModuleValueParser::Impl {
  simdjson::dom::parser parser{kMaxValueBytes};
  std::size_t capacity = 0;
};

ModuleValueParser::ModuleValueParser() : impl_(std::make_unique<Impl>()) {}
ModuleValueParser::~ModuleValueParser() = default;
ModuleValueParser::ModuleValueParser(ModuleValueParser&&) noexcept = default;

Result<ModuleValue> ModuleValueParser::parse(std::string_view json) {
  if (json.empty()) return refuse("empty value");
  if (json.substr(0, 3) == "\xEF\xBB\xBF") return refuse("not JSON: starts with a byte order mark");
  if (json.size() > impl_->capacity) {
    if (impl_->parser.allocate(json.size(), kMaxDepth) != simdjson::SUCCESS) return refuse("too big to parse");
    impl_->capacity = json.size();
  }
  simdjson::dom::element root;
  if (const auto err = impl_->parser.parse(json.data(), json.size()).get(root); err != simdjson::SUCCESS) {
    return refuse(std::string("not JSON: ") + simdjson::error_message(err));
  }
  simdjson::dom::object object;
  if (root.get(object) != simdjson::SUCCESS) return refuse("not a JSON object");

  // The last of duplicate keys wins, as in Python's json.
  std::optional<simdjson::dom::element> content;
  std::optional<simdjson::dom::element> hash;
  for (const auto field : object) {
    if (field.key == "content") content = field.value;
    if (field.key == "hash") hash = field.value;
  }
  if (!content) return refuse("`content` is missing");
  ModuleValue value;
  std::string_view text;
  if (content->get(text) != simdjson::SUCCESS) return refuse("`content` is not a string");
  value.content = text;
  if (hash) {
    if (hash->get(text) != simdjson::SUCCESS) return refuse("`hash` is not a string");
    value.hash = text;
  }
  if (value.hash.size() > layout::kMaxTokenBytes) return refuse("`hash` is longer than 1024 bytes");
  // Lone surrogates are legal JSON but no UTF-8; simdjson passes some of them on.
  if (!is_utf8(value.content)) return refuse("`content` holds a lone surrogate");
  if (!is_utf8(value.hash)) return refuse("`hash` holds a lone surrogate");
  return value;
}

namespace {

void append_escaped_unit(std::string& out, unsigned unit) {
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "\\u%04x", unit);
  out += buffer;
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      ++i;
      switch (c) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        case '\b': out += "\\b"; break;
        case '\f': out += "\\f"; break;
        default:
          if (c < 0x20 || c == 0x7f) {
            append_escaped_unit(out, c);
          } else {
            out.push_back(static_cast<char>(c));
          }
      }
      continue;
    }
    const unsigned extra = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    unsigned point = c & (0x3fu >> extra);
    for (unsigned k = 1; k <= extra && i + k < text.size(); ++k) {
      point = point << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3fu);
    }
    i += extra + 1;
    if (point >= 0x10000) {
      append_escaped_unit(out, 0xd800 + ((point - 0x10000) >> 10));
      append_escaped_unit(out, 0xdc00 + ((point - 0x10000) & 0x3ff));
    } else {
      append_escaped_unit(out, point);
    }
  }
  out.push_back('"');
}

}  // namespace

std::string encode_module_value(std::string_view path, std::string_view content, std::string_view hash) {
  std::string out = "{\"content\": ";
  append_json_string(out, content);
  out += ", \"path\": ";
  append_json_string(out, path);
  out += ", \"hash\": ";
  append_json_string(out, hash);
  out += "}";
  return out;
}

}  // namespace bifrost
