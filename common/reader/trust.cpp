#include "common/reader/trust.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
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

}  // namespace

bool is_trusted(const Trust& trust, const std::string& dir, uid_t owner) {
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
