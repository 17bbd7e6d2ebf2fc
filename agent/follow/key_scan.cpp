#include "agent/follow/key_scan.hpp"

#include <utility>

#include "common/redis/contract.hpp"

namespace bifrost::agent {
namespace {

// Names that Redis looks at for a page. Few, where hardly any is a module's: each costs Redis some cache misses, and
// nobody else is served meanwhile.
constexpr std::size_t kPageNames = 1000;
constexpr std::size_t kSparsePageNames = 100;
constexpr std::size_t kModuleEvery = 10;    // names; a page with fewer modules is sparse
constexpr std::size_t kNamesToRest = 1000;  // of sparse pages
constexpr std::string_view kStart = "0";    // also the cursor that ends the last page

}  // namespace

void KeyScan::begin(BootTime now) {
  begun_ = now;
  running_ = true;
  resting_ = sparse_ = false;
  names_since_rest_ = 0;
  cursor_ = kStart;
  mirror_.begin_scan(now);
}

void KeyScan::ask_for_page(std::size_t waiting, const std::function<void(const Command&)>& ask) {
  if (!running_ || under_way_ || resting_ || waiting >= kBacklog) return;
  under_way_ = true;
  const std::string cursor = std::exchange(cursor_, {});
  const std::string pattern = std::string(contract::kPrefix) + "*";
  ask({"SCAN", cursor, "MATCH", pattern, "COUNT", std::to_string(page_names())});
}

Status KeyScan::on_page(const redisReply& page) {
  under_way_ = false;
  const auto parts = elements_of(page);
  if (parts.size() != 2) return Error{ErrorCode::kRefused, "SCAN was refused: " + std::string(text_of(page))};
  std::size_t modules = 0;
  for (const redisReply* element : elements_of(*parts[1])) modules += note(text_of(*element)) ? 1 : 0;
  const std::size_t names = page_names();
  sparse_ = modules * kModuleEvery < names;
  names_since_rest_ = sparse_ ? names_since_rest_ + names : 0;
  resting_ = names_since_rest_ >= kNamesToRest;
  if (resting_) names_since_rest_ = 0;
  if (!cursor_.empty()) return Done{};  // started over meanwhile
  const std::string_view next = text_of(*parts[0]);
  if (next == kStart) {
    finish();
  } else {
    cursor_ = next;
  }
  return Done{};
}

std::size_t KeyScan::page_names() const {
  return sparse_ ? kSparsePageNames : kPageNames;
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
