#include "tools/cachectl/directory_watch.hpp"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace bifrost::cachectl {
namespace {

constexpr std::uint32_t kChanges = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |
                                   IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::chrono::milliseconds kLookEvery{100};
constexpr int kGatherMs = 20;  // editors save in several steps

}  // namespace

DirectoryWatch::DirectoryWatch() : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), complete_(fd_.valid()) {}

void DirectoryWatch::add(const std::vector<std::string>& directories) {
  if (!fd_.valid()) return;
  for (const std::string& directory : directories) {
    const int watch = ::inotify_add_watch(fd_.get(), directory.c_str(), kChanges);
    // What is gone meanwhile has been seen to go by the watch of its parent.
    if (watch < 0 && errno != ENOENT && errno != ENOTDIR) complete_ = false;
    if (watch <= newest_) continue;
    newest_ = watch;
    some_are_new_ = true;
  }
}

bool DirectoryWatch::changed_within(std::chrono::milliseconds patience) {
  if (std::exchange(some_are_new_, false)) return true;
  pollfd p{fd_.get(), POLLIN, 0};
  const auto time = complete_ ? patience : std::min(patience, kLookEvery);
  const int ready = ::poll(&p, fd_.valid() ? 1 : 0, static_cast<int>(time.count()));
  if (ready < 0) return false;
  if (ready == 0) return !complete_;
  ::poll(nullptr, 0, kGatherMs);
  char events[16 * 1024];
  while (::read(fd_.get(), events, sizeof events) > 0) {
  }
  return true;
}

}  // namespace bifrost::cachectl
