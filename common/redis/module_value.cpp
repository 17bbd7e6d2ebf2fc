#include "common/redis/module_value.hpp"

#include <simdjson.h>

#include <optional>

#include "common/base/json_text.hpp"
#include "common/layout/record_layout.hpp"

namespace bifrost {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxValueBytes = std::size_t{1} << 31;

Error refuse(std::string why) {
  return {ErrorCode::kInvalidArgument, std::move(why)};
}

Error refuse(simdjson::error_code error, std::string why) {
  return refuse(error == simdjson::MEMALLOC ? "no memory is left to parse it" : std::move(why));
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
    if (const auto err = impl_->parser.allocate(json.size(), kMaxDepth)) return refuse(err, "too big to parse");
    impl_->capacity = json.size();
  }
  simdjson::dom::element root;
  if (const auto err = impl_->parser.parse(json.data(), json.size()).get(root); err != simdjson::SUCCESS) {
    return refuse(err, std::string("not JSON: ") + simdjson::error_message(err));
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
