#include "agent/follow/last_server.hpp"

#include <unistd.h>

#include "agent/loop/log.hpp"

namespace bifrost::agent {
namespace {

constexpr std::size_t kMostBytes = 64;  // a run id has 40

}  // namespace

std::string last_server(const UniqueFd& lock) {
  char text[kMostBytes];
  const ssize_t n = ::pread(lock.get(), text, sizeof text, 0);
  return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : std::string();
}

void note_last_server(const UniqueFd& lock, const std::string& run_id) {
  if (last_server(lock) == run_id || run_id.size() > kMostBytes) return;
  const bool written = ::ftruncate(lock.get(), 0) == 0 &&
                       ::pwrite(lock.get(), run_id.data(), run_id.size(), 0) == static_cast<ssize_t>(run_id.size());
  if (!written) log::warn("run_id_not_kept", {{"then", "the next agent may take a loss for deletions or the reverse"}});
}

}  // namespace bifrost::agent
