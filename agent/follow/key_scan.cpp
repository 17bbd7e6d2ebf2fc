#include "agent/follow/key_scan.hpp"

#include <utility>

#include "common/redis/contract.hpp"

namespace bifrost::agent {
namespace {

constexpr std::string_view kPageNames = "1000";  // that Redis looks at for a page
constexpr std::string_view kStart = "0";         // also the cursor that ends the last page

}  // namespace

void KeyScan::begin(Kind kind, BootTime now) {
  kind_ = kind;
  begun_ = now;
  running_ = true;
  cursor_ = kStart;
  mirror_.begin_scan();
}

void KeyScan::ask_for_page(std::size_t waiting, const std::function<void(const Command&)>& ask) {
  if (!running_ || under_way_ || waiting >= kBacklog) return;
  under_way_ = true;
  const std::string cursor = std::exchange(cursor_, {});
  const std::string pattern = std::string(contract::kPrefix) + "*";
  ask({"SCAN", cursor, "MATCH", pattern, "COUNT", kPageNames});
}

Status KeyScan::on_page(const redisReply& page) {
  under_way_ = false;
  const auto parts = elements_of(page);
  if (parts.size() != 2) return Error{ErrorCode::kRefused, "SCAN was refused: " + std::string(text_of(page))};
  for (const redisReply* element : elements_of(*parts[1])) {
    const std::string_view key = text_of(*element);
    if (contract::classify(key) == contract::KeyClass::kModule) note(key);
  }
  if (!cursor_.empty()) return Done{};  // started over meanwhile
  const std::string_view next = text_of(*parts[0]);
  if (next == kStart) {
    finish();
  } else {
    cursor_ = next;
  }
  return Done{};
}

void KeyScan::note(std::string_view key) {
  const auto path = contract::path_of(key);
  if (!path) return mirror_.refuse(contract::spelled_path_of(key), path.error());
  const bool doubtful = mirror_.note_seen(*path);
  if (doubtful || kind_ == Kind::kEverything) mark_(*path, RefreshQueue::Doubt::kUnspecific);
}

void KeyScan::finish() {
  running_ = false;
  const auto mark_gone = [this](ModulePathView path) { mark_(path, RefreshQueue::Doubt::kGone); };
  mirror_.for_each_unseen(mark_gone);
  if (kind_ == Kind::kEverything) mirror_.for_each_retained(mark_gone);
}

}  // namespace bifrost::agent
