#include "agent/follow/key_scan.hpp"

#include <utility>

#include "common/redis/contract.hpp"

namespace bifrost::agent {
namespace {

constexpr std::string_view kPageNames = "1000";  // that Redis looks at for a page
constexpr std::size_t kRestBelow = 100;          // modules among them
constexpr std::string_view kStart = "0";         // also the cursor that ends the last page

}  // namespace

void KeyScan::begin(BootTime now) {
  begun_ = now;
  running_ = true;
  resting_ = false;
  cursor_ = kStart;
  mirror_.begin_scan(now);
}

void KeyScan::ask_for_page(std::size_t waiting, const std::function<void(const Command&)>& ask) {
  if (!running_ || under_way_ || resting_ || waiting >= kBacklog) return;
  under_way_ = true;
  const std::string cursor = std::exchange(cursor_, {});
  const std::string pattern = std::string(contract::kPrefix) + "*";
  ask({"SCAN", cursor, "MATCH", pattern, "COUNT", kPageNames});
}

Status KeyScan::on_page(const redisReply& page) {
  under_way_ = false;
  const auto parts = elements_of(page);
  if (parts.size() != 2) return Error{ErrorCode::kRefused, "SCAN was refused: " + std::string(text_of(page))};
  std::size_t modules = 0;
  for (const redisReply* element : elements_of(*parts[1])) modules += note(text_of(*element)) ? 1 : 0;
  resting_ = modules < kRestBelow;
  if (!cursor_.empty()) return Done{};  // started over meanwhile
  const std::string_view next = text_of(*parts[0]);
  if (next == kStart) {
    finish();
  } else {
    cursor_ = next;
  }
  return Done{};
}

// Whether it is a module.
bool KeyScan::note(std::string_view key) {
  if (contract::classify(key) != contract::KeyClass::kModule) return false;
  const auto path = contract::path_of(key);
  if (!path) {
    mirror_.refuse(contract::spelled_path_of(key), path.error());
    return false;
  }
  mirror_.note_seen(*path);
  mark_(*path, RefreshQueue::Doubt::kUnspecific);
  return true;
}

void KeyScan::finish() {
  running_ = false;
  mirror_.for_each_unseen([this](ModulePathView path) { mark_(path, RefreshQueue::Doubt::kGone); });
  mirror_.for_each_retained([this](ModulePathView path) { mark_(path, RefreshQueue::Doubt::kDelisted); });
}

}  // namespace bifrost::agent
