#include "common/redis/tls_library.hpp"

#include <dlfcn.h>

#include <string>
#include <type_traits>

namespace bifrost {
namespace {

#define BIFROST_TEXT_OF(x) #x
#define BIFROST_TEXT(x) BIFROST_TEXT_OF(x)
constexpr const char* kFile = "libssl.so." BIFROST_TEXT(OPENSSL_SHLIB_VERSION);

struct Loaded {
  TlsLibrary library;
  std::string trouble;
};

Loaded load() {
  Loaded loaded;
  void* const handle = ::dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    loaded.trouble = "rediss:// needs OpenSSL, which could not be loaded (" + std::string(::dlerror()) +
                     "): install libssl3, or use a TLS proxy on this host";
    return loaded;
  }
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(handle, name));
    if (function == nullptr) loaded.trouble = std::string(kFile) + " has no " + name;
  };
#define BIFROST_TLS_FIND(name) find(loaded.library.name, #name);
  BIFROST_TLS_FUNCTIONS(BIFROST_TLS_FIND)
#undef BIFROST_TLS_FIND
  return loaded;
}

}  // namespace

Result<const TlsLibrary*> TlsLibrary::get() {
  static const Loaded loaded = load();
  if (!loaded.trouble.empty()) return Error{ErrorCode::kInvalidArgument, loaded.trouble};
  return &loaded.library;
}

}  // namespace bifrost
