// tls_stream.hpp - the client's end of TLS as a pure transformation: bytes in, bytes out, no socket.
//
// So the socket stays with RedisLink, which sends without raising SIGPIPE and waits for nothing. The server's
// certificate must hold for the name and lead to a trusted authority; there is no way to switch that off.
// Concurrency: one owner, one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.hpp"
#include "common/redis/tls_settings.hpp"

// OpenSSL's own names.
struct bio_st;
struct ssl_ctx_st;
struct ssl_st;

namespace bifrost {

struct TlsLibrary;

class TlsStream {
 public:
  // Reads the files. Errors: kInvalidArgument (a file, or OpenSSL is not there).
  static Result<std::unique_ptr<TlsStream>> client(const TlsSettings& settings);

  // Appends to `wire` what is to be sent: the handshake, then `plain`, which is emptied once it can be sent.
  // Errors, as of open(): kRefused, with what was wrong about the certificate if that was it.
  Status seal(std::string& plain, std::string& wire);

  // Takes what the peer has sent; appends to `plain` what it said, and to `answer` what is to be sent for it: the next
  // part of the handshake, or why there will be none.
  Status open(std::string_view wire, std::string& plain, std::string& answer);

  // Whether the handshake is over, so that seal() takes plain text.
  bool ready() const;

 private:
  explicit TlsStream(const TlsLibrary& library) : tls_(library) {}
  Status shake_hands();
  Error failure(const std::string& what) const;
  void drain(std::string& wire);

  struct Free {
    void operator()(ssl_ctx_st* context) const;
    void operator()(ssl_st* ssl) const;
  };

  const TlsLibrary& tls_;
  std::unique_ptr<ssl_ctx_st, Free> context_;
  std::unique_ptr<ssl_st, Free> ssl_;  // owns both ends below
  bio_st* from_peer_ = nullptr;
  bio_st* to_peer_ = nullptr;
};

}  // namespace bifrost
