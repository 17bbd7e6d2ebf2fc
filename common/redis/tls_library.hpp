// tls_library.hpp - OpenSSL, loaded when the first rediss:// connection is made and never before.
//
// Linking it would map libssl and libcrypto into every worker at its start, for a few milliseconds each, also where
// Redis speaks no TLS. The types come from OpenSSL's headers, so that a signature that changed does not compile.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/base/result.hpp"

namespace bifrost {

// What is used of it, by OpenSSL's names.
#define BIFROST_TLS_FUNCTIONS(X)        \
  X(BIO_free)                           \
  X(BIO_new)                            \
  X(BIO_read)                           \
  X(BIO_s_mem)                          \
  X(BIO_write)                          \
  X(ERR_clear_error)                    \
  X(ERR_get_error)                      \
  X(ERR_reason_error_string)            \
  X(SSL_CTX_ctrl)                       \
  X(SSL_CTX_free)                       \
  X(SSL_CTX_load_verify_locations)      \
  X(SSL_CTX_new)                        \
  X(SSL_CTX_set_default_verify_paths)   \
  X(SSL_CTX_set_verify)                 \
  X(SSL_CTX_use_PrivateKey_file)        \
  X(SSL_CTX_use_certificate_chain_file) \
  X(SSL_ctrl)                           \
  X(SSL_do_handshake)                   \
  X(SSL_free)                           \
  X(SSL_get0_param)                     \
  X(SSL_get_error)                      \
  X(SSL_get_verify_result)              \
  X(SSL_is_init_finished)               \
  X(SSL_new)                            \
  X(SSL_read)                           \
  X(SSL_set1_host)                      \
  X(SSL_set_bio)                        \
  X(SSL_set_connect_state)              \
  X(SSL_write)                          \
  X(TLS_client_method)                  \
  X(X509_VERIFY_PARAM_set1_ip_asc)      \
  X(X509_verify_cert_error_string)

struct TlsLibrary {
#define BIFROST_TLS_FUNCTION(name) decltype(&::name) name = nullptr;
  BIFROST_TLS_FUNCTIONS(BIFROST_TLS_FUNCTION)
#undef BIFROST_TLS_FUNCTION

  // Loaded once, for good. Any thread. Errors: kInvalidArgument, with what to install.
  static Result<const TlsLibrary*> get();
};

}  // namespace bifrost
