// module_value.hpp - the JSON value of a module key, {"content": str, "hash": str, ...}, checked and decoded.
//
// Strict on purpose: when in doubt a value is refused, and the worker that asks gets Redis' own truth. Accepted is
// RFC 8259 in UTF-8 without BOM, depth at most 64, last duplicate wins. Concurrency: one parser per thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.hpp"

namespace bifrost {

struct ModuleValue {
  std::string content;  // UTF-8, byte-exact, may be empty
  std::string hash;     // the writer's opaque token, verbatim; "" when absent
};

class ModuleValueParser {
 public:
  ModuleValueParser();
  ~ModuleValueParser();
  ModuleValueParser(ModuleValueParser&&) noexcept;

  // Errors: kInvalidArgument with a reason of a few words ("not JSON: ...", "`content` is missing").
  // Cost: about 1 GB/s; reuses its buffers.
  Result<ModuleValue> parse(std::string_view json);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Strict: no overlong forms, no surrogates.
bool is_utf8(std::string_view bytes);

// What writers store: json.dumps' escapes for everything outside printable ASCII. `content` must be valid UTF-8.
std::string encode_module_value(std::string_view path, std::string_view content, std::string_view hash);

}  // namespace bifrost
