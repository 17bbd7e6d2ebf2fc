#include "agent/mirror/last_agent.hpp"

#include <unistd.h>

#include <charconv>
#include <string_view>

namespace bifrost::agent {
namespace {

constexpr std::size_t kMostBytes = 128;  // a run id has 40, each number 20 at most

// The text behind `key`, up to the next blank.
std::string_view value_of(std::string_view text, std::string_view key) {
  const auto at = text.find(key);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + key.size());
  return text.substr(0, text.find_first_of(" \n"));
}

}  // namespace

LastAgent read_last_agent(const UniqueFd& lock) {
  char text[kMostBytes];
  const ssize_t n = ::pread(lock.get(), text, sizeof text, 0);
  const std::string_view all(text, n > 0 ? static_cast<std::size_t>(n) : 0);
  LastAgent last;
  last.run_id = value_of(all, "run_id=");
  const std::string_view ceiling = value_of(all, "generation=");
  std::from_chars(ceiling.data(), ceiling.data() + ceiling.size(), last.ceiling.value);
  const std::string_view server = value_of(all, "server=");
  std::from_chars(server.data(), server.data() + server.size(), last.server);
  return last;
}

bool keep_for_next_agent(const UniqueFd& lock, const LastAgent& last) {
  std::string text = "generation=" + std::to_string(last.ceiling.value) + " server=" + std::to_string(last.server) +
                     " run_id=" + last.run_id + "\n";
  if (text.size() > kMostBytes) return false;
  text.resize(kMostBytes, ' ');  // always the same length: no moment at which the file is empty
  return ::pwrite(lock.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

}  // namespace bifrost::agent
