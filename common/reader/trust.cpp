#include "common/reader/trust.hpp"

#include <pwd.h>

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

}  // namespace

Result<Trust> trust_of(const Settings& settings) {
  const std::string& text = settings.get(Setting::kAgentUid);
  if (text.empty()) return Trust{};
  uid_t uid = 0;
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), uid);
  if (err == std::errc() && end == text.data() + text.size()) return Trust{uid};
  if (const auto user = uid_of_user(text)) return Trust{*user};
  return Error{ErrorCode::kInvalidArgument, std::string(setting_info(Setting::kAgentUid).key) + " = `" + text + "` (" +
                                                settings.entry(Setting::kAgentUid).origin +
                                                "): expected a numeric user id, or a user of this machine"};
}

}  // namespace bifrost
