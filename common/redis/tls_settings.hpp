// tls_settings.hpp - whom to trust and who we are, when Redis is asked over TLS.
#pragma once

#include <string>

namespace bifrost {

// Files are PEM; "" means: the system's authorities, no certificate of our own.
struct TlsSettings {
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string server_name;  // a host name or an address, as the server's certificate must have it
};

}  // namespace bifrost
