// sha256.hpp - the token that writers of modules put beside the content.
#pragma once

#include <string>
#include <string_view>

namespace bifrost::cachectl {

// 64 lower-case hex digits; "" when the cryptographic library refuses.
std::string sha256_hex(std::string_view bytes);

}  // namespace bifrost::cachectl
