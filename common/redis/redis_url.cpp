#include "common/redis/redis_url.hpp"

#include <charconv>
#include <optional>

namespace bifrost {
namespace {

Error invalid(std::string_view why) {
  return {ErrorCode::kInvalidArgument,
          "Redis URL: " + std::string(why) +
              "; write redis://[user:pass@]host:port/db, rediss:// with TLS, unix://path?db=N or "
              "redis+sentinel://host:port,host:port/MASTER/db"};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

template <class Number>
bool parse_number(std::string_view text, Number& out) {
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), out);
  return err == std::errc() && end == text.data() + text.size();
}

bool consume(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// `host:port`, `[v6]:port`; either may be missing and keeps its default then.
Status take_host(std::string_view host, std::string& into_host, std::uint16_t& into_port) {
  std::string_view port;
  if (consume(host, "[")) {
    const auto close = host.find(']');
    if (close == std::string_view::npos) return invalid("unclosed [ in the host");
    port = host.substr(close + 1);
    host = host.substr(0, close);
  } else if (const auto colon = host.find(':'); colon != std::string_view::npos) {
    port = host.substr(colon);
    host = host.substr(0, colon);
  }
  if (!port.empty() && (!consume(port, ":") || !parse_number(port, into_port) || into_port == 0)) {
    return invalid("the port is not a number from 1 to 65535");
  }
  if (!host.empty()) into_host = std::string(host);
  return Done{};
}

// Takes `[user:pass@]` off the front.
Status take_credentials(std::string_view& rest, std::size_t at, RedisUrl& url) {
  if (at == std::string_view::npos) return Done{};
  const std::string_view credentials = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  const auto colon = credentials.find(':');
  const auto user = percent_decoded(credentials.substr(0, colon));
  const auto password =
      colon == std::string_view::npos ? std::optional<std::string>("") : percent_decoded(credentials.substr(colon + 1));
  if (!user || !password) return invalid("bad percent-encoding in the credentials");
  url.user = *user;
  url.password = *password;
  return Done{};
}

// `ca=/etc/redis/ca.pem` into the setting it names.
Status take_tls_parameter(std::string_view name, std::string_view value, TlsSettings& tls) {
  std::string* const setting = name == "ca"     ? &tls.ca_file
                               : name == "cert" ? &tls.certificate_file
                               : name == "key"  ? &tls.key_file
                               : name == "name" ? &tls.server_name
                                                : nullptr;
  if (setting == nullptr) return invalid("the parameters are db, ca, cert, key and name");
  const auto decoded = percent_decoded(value);
  if (!decoded || decoded->empty()) return invalid("the parameter " + std::string(name) + " has no usable value");
  *setting = *decoded;
  return Done{};
}

Status take_query(std::string_view query, RedisUrl& url) {
  while (!query.empty()) {
    const auto end = query.find('&');
    std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
    const auto equals = pair.find('=');
    const std::string_view value = equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    if (pair.substr(0, equals) == "db") {
      if (!parse_number(value, url.db)) return invalid("the database is not a number");
    } else if (url.transport == RedisUrl::Transport::kSentinel && pair.substr(0, equals) == "sentinel_password") {
      const auto password = percent_decoded(value);
      if (!password) return invalid("bad percent-encoding in sentinel_password");
      url.sentinel_password = *password;
    } else if (!url.tls) {
      return invalid("there is no such parameter for this kind of URL");
    } else if (const Status s = take_tls_parameter(pair.substr(0, equals), value, *url.tls); !s) {
      return s;
    }
  }
  if (url.tls && url.tls->certificate_file.empty() != url.tls->key_file.empty()) {
    return invalid("cert and key go together");
  }
  return Done{};
}

std::string address(const std::string& host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace

std::string RedisUrl::display() const {
  if (transport == Transport::kUnix) {
    return "unix://" + path + (db != 0 ? "?db=" + std::to_string(db) : std::string());
  }
  const std::string database = std::to_string(db);
  if (transport == Transport::kSentinel) {
    std::string all;
    for (const Sentinel& one : sentinels) all += (all.empty() ? "" : ",") + address(one.host, one.port);
    return "redis+sentinel://" + all + "/" + master + "/" + database;
  }
  return std::string(tls ? "rediss" : "redis") + "://" + address(host, port) + "/" + database;
}

Result<RedisUrl> parse_redis_url(std::string_view text) {
  RedisUrl url;
  std::string_view rest = text;
  const bool is_unix = consume(rest, "unix://");
  if (!is_unix && consume(rest, "rediss://")) url.tls.emplace();
  const bool sentinel = !is_unix && !url.tls && consume(rest, "redis+sentinel://");
  if (!is_unix && !url.tls && !sentinel && !consume(rest, "redis://")) return invalid("unknown scheme");

  std::string_view query;
  if (const auto mark = rest.find('?'); mark != std::string_view::npos) {
    query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  if (is_unix) {
    // Only an `@` before the path separates credentials.
    const auto at = rest.substr(0, rest.find('/')).rfind('@');
    if (const Status s = take_credentials(rest, at, url); !s) return s.error();
    url.transport = RedisUrl::Transport::kUnix;
    const auto path = percent_decoded(rest);
    if (!path || path->empty()) return invalid("unix:// needs the path of a socket");
    url.path = *path;
  } else {
    std::string_view database;
    if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
      database = rest.substr(slash + 1);
      rest = rest.substr(0, slash);
    }
    if (const Status s = take_credentials(rest, rest.rfind('@'), url); !s) return s.error();
    if (sentinel) {
      const auto master = percent_decoded(database.substr(0, database.find('/')));
      if (!master || master->empty()) return invalid("redis+sentinel:// needs the name of a master as its path");
      url.transport = RedisUrl::Transport::kSentinel;
      url.master = *master;
      const auto slash = database.find('/');
      database = slash == std::string_view::npos ? std::string_view{} : database.substr(slash + 1);
    }
    if (!database.empty() && !parse_number(database, url.db)) return invalid("the database is not a number");
    if (!sentinel) {
      if (const Status s = take_host(rest, url.host, url.port); !s) return s.error();
    }
    while (sentinel && !rest.empty()) {
      const auto comma = rest.find(',');
      RedisUrl::Sentinel& one = url.sentinels.emplace_back();
      if (const Status s = take_host(rest.substr(0, comma), one.host, one.port); !s) return s.error();
      if (one.host.empty()) return invalid("a sentinel has no host");
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
    if (sentinel && url.sentinels.empty()) return invalid("redis+sentinel:// names no sentinel");
  }
  if (const Status s = take_query(query, url); !s) return s.error();
  if (url.tls && url.tls->server_name.empty()) url.tls->server_name = url.host;
  return url;
}

}  // namespace bifrost
