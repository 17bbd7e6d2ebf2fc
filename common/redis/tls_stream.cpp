#include "common/redis/tls_stream.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <climits>

#include "common/redis/tls_library.hpp"

namespace bifrost {
namespace {

constexpr std::size_t kPiece = 16 * 1024;  // the most that one TLS record carries

bool is_address(const std::string& name) {
  unsigned char bytes[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, name.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

}  // namespace

Result<std::unique_ptr<TlsStream>> TlsStream::client(const TlsSettings& settings) {
  const auto library = TlsLibrary::get();
  if (!library) return library.error();
  const TlsLibrary& tls = **library;
  std::unique_ptr<TlsStream> stream(new TlsStream(tls));
  const auto unusable = [&](const std::string& what) {
    return Error{ErrorCode::kInvalidArgument, stream->failure("TLS: " + what).message};
  };
  tls.ERR_clear_error();
  stream->context_.reset(tls.SSL_CTX_new(tls.TLS_client_method()));
  SSL_CTX* const context = stream->context_.get();
  if (context == nullptr) return unusable("cannot be set up");
  tls.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, nullptr);
  tls.SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const bool trusts = settings.ca_file.empty()
                          ? tls.SSL_CTX_set_default_verify_paths(context) == 1
                          : tls.SSL_CTX_load_verify_locations(context, settings.ca_file.c_str(), nullptr) == 1;
  if (!trusts) return unusable("the authority's file " + settings.ca_file + " cannot be used");
  if (!settings.certificate_file.empty()) {
    if (tls.SSL_CTX_use_certificate_chain_file(context, settings.certificate_file.c_str()) != 1) {
      return unusable("the certificate " + settings.certificate_file + " cannot be used");
    }
    if (tls.SSL_CTX_use_PrivateKey_file(context, settings.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
      return unusable("the key " + settings.key_file + " cannot be used");
    }
  }
  stream->ssl_.reset(tls.SSL_new(context));
  SSL* const ssl = stream->ssl_.get();
  if (ssl == nullptr) return unusable("cannot be set up");
  stream->from_peer_ = tls.BIO_new(tls.BIO_s_mem());
  stream->to_peer_ = tls.BIO_new(tls.BIO_s_mem());
  tls.SSL_set_bio(ssl, stream->from_peer_, stream->to_peer_);
  tls.SSL_set_connect_state(ssl);
  const char* const name = settings.server_name.c_str();
  if (is_address(settings.server_name)) {
    tls.X509_VERIFY_PARAM_set1_ip_asc(tls.SSL_get0_param(ssl), name);
  } else {
    tls.SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(name));
    tls.SSL_set1_host(ssl, name);
  }
  return stream;
}

void TlsStream::Free::operator()(ssl_ctx_st* context) const {
  (*TlsLibrary::get())->SSL_CTX_free(context);
}

void TlsStream::Free::operator()(ssl_st* ssl) const {
  (*TlsLibrary::get())->SSL_free(ssl);
}

bool TlsStream::ready() const {
  return tls_.SSL_is_init_finished(ssl_.get()) != 0;
}

Error TlsStream::failure(const std::string& what) const {
  const auto reason = tls_.ERR_get_error();
  const long verdict = ssl_ ? tls_.SSL_get_verify_result(ssl_.get()) : X509_V_OK;
  std::string why;
  if (verdict != X509_V_OK) {
    why = std::string("the server's certificate is not accepted: ") + tls_.X509_verify_cert_error_string(verdict);
  } else if (const char* text = reason == 0 ? nullptr : tls_.ERR_reason_error_string(reason)) {
    why = text;
  }
  return {ErrorCode::kRefused, why.empty() ? what : what + ": " + why};
}

Status TlsStream::shake_hands() {
  tls_.ERR_clear_error();
  const int done = tls_.SSL_do_handshake(ssl_.get());
  if (done == 1 || tls_.SSL_get_error(ssl_.get(), done) == SSL_ERROR_WANT_READ) return Done{};
  return failure("TLS handshake");
}

void TlsStream::drain(std::string& wire) {
  char piece[kPiece];
  for (int n; (n = tls_.BIO_read(to_peer_, piece, sizeof piece)) > 0;) wire.append(piece, static_cast<std::size_t>(n));
}

Status TlsStream::seal(std::string& plain, std::string& wire) {
  if (!ready()) {
    const Status shaken = shake_hands();
    drain(wire);  // also what tells the server why it is refused
    if (!shaken || !ready()) return shaken;
  }
  for (std::size_t done = 0; done < plain.size();) {
    tls_.ERR_clear_error();
    const std::size_t part = std::min<std::size_t>(plain.size() - done, INT_MAX);
    const int n = tls_.SSL_write(ssl_.get(), plain.data() + done, static_cast<int>(part));
    if (n <= 0) return failure("TLS write");
    done += static_cast<std::size_t>(n);
  }
  plain.clear();
  drain(wire);
  return Done{};
}

Status TlsStream::open(std::string_view wire, std::string& plain, std::string& answer) {
  while (!wire.empty()) {
    const int taken =
        tls_.BIO_write(from_peer_, wire.data(), static_cast<int>(std::min<std::size_t>(wire.size(), INT_MAX)));
    if (taken <= 0) return failure("TLS read");
    wire.remove_prefix(static_cast<std::size_t>(taken));
  }
  if (!ready()) {
    const Status shaken = shake_hands();
    drain(answer);
    if (!shaken || !ready()) return shaken;
  }
  char piece[kPiece];
  while (true) {
    tls_.ERR_clear_error();
    const int n = tls_.SSL_read(ssl_.get(), piece, sizeof piece);
    if (n <= 0) {
      const int why = tls_.SSL_get_error(ssl_.get(), n);
      if (why == SSL_ERROR_WANT_READ) return Done{};
      if (why == SSL_ERROR_ZERO_RETURN) return Error{ErrorCode::kUnreachable, "Redis closed the connection"};
      return failure("TLS read");
    }
    plain.append(piece, static_cast<std::size_t>(n));
  }
}

}  // namespace bifrost
