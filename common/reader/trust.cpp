#include "common/reader/trust.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>

namespace bifrost {
namespace {

// More than any entry of a user database needs.
constexpr std::size_t kEntryBytes = 16384;

std::optional<uid_t> uid_of_user(const std::string& name) {
  std::array<char, kEntryBytes> text{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwnam_r(name.c_str(), &entry, text.data(), text.size(), &found) != 0 || found == nullptr) return {};
  return entry.pw_uid;
}

// Whom root gave `dir` to. Nobody, if others may put something else in its place: the directory above must be root's
// alone.
std::optional<uid_t> appointed_owner(const std::string& dir) {
  constexpr mode_t kOthersMayWrite = S_IWGRP | S_IWOTH;
  const std::string above = dir.substr(0, dir.rfind('/') + 1);
  struct stat parent {};
  struct stat own {};
  if (::lstat(above.c_str(), &parent) != 0 || parent.st_uid != 0 || (parent.st_mode & kOthersMayWrite) != 0) return {};
  if (::lstat(dir.c_str(), &own) != 0 || !S_ISDIR(own.st_mode) || (own.st_mode & kOthersMayWrite) != 0) return {};
  return own.st_uid;
}

uid_t overflow_uid() {
  constexpr uid_t kUsual = 65534;
  uid_t uid = kUsual;
  std::ifstream("/proc/sys/kernel/overflowuid") >> uid;
  return uid;
}

// Whether every user of the machine has a number of its own here: not so in a user namespace, where the overflow uid
// stands for all who have none.
bool sees_every_user() {
  std::uint64_t inside = 1;
  std::uint64_t outside = 1;
  std::uint64_t count = 0;
  std::ifstream("/proc/self/uid_map") >> inside >> outside >> count;
  return inside == 0 && outside == 0 && count >= std::numeric_limits<std::uint32_t>::max();
}

// The overflow uid may be anybody, this process' own included.
bool is_anybody(uid_t owner) {
  static const uid_t kOverflow = overflow_uid();
  return owner == kOverflow && !sees_every_user();
}

}  // namespace

bool is_trusted(const Trust& trust, const std::string& dir, uid_t owner) {
  if (is_anybody(owner)) return false;
  if (owner == 0 || owner == ::geteuid()) return true;
  if (trust.agent_uid) return owner == *trust.agent_uid;
  return dir == trust.appointed_dir && appointed_owner(dir) == owner;
}

Result<Trust> trust_of(const Settings& settings) {
  const std::string& text = settings.get(Setting::kAgentUid);
  if (text.empty()) return Trust{};
  uid_t uid = 0;
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), uid);
  if (err == std::errc() && end == text.data() + text.size()) return Trust{.agent_uid = uid};
  if (const auto user = uid_of_user(text)) return Trust{.agent_uid = *user};
  return Error{ErrorCode::kInvalidArgument, std::string(setting_info(Setting::kAgentUid).key) + " = `" + text + "` (" +
                                                settings.entry(Setting::kAgentUid).origin +
                                                "): expected a numeric user id, or a user of this machine"};
}

}  // namespace bifrost
