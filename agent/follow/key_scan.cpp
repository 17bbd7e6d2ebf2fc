#include "agent/follow/key_scan.hpp"

#include <utility>

#include "common/redis/contract.hpp"

namespace bifrost::agent {
namespace {

// Names that Redis looks at for a page. Few, where hardly any is a module's: each costs Redis some cache misses, and
// nobody else is served meanwhile.
constexpr std::size_t kPageNames = 1000;
constexpr std::size_t kSparsePageNames = 100;
constexpr std::size_t kModuleEvery = 10;      // names; a page with fewer modules is sparse
constexpr std::size_t kNamesToRest = 1000;    // of sparse pages
constexpr std::chrono::milliseconds kFar{1};  // a small page takes longer
constexpr int kMostLatePages = 8;             // in a row: that is the distance, and no chance

}  // namespace

void KeyScan::begin(BootTime now) {
  begun_ = now;
  running_ = true;
  resting_ = false;
  names_next_ = kPageNames;
  names_since_rest_ = 0;
  late_pages_ = 0;
  cursor_ = kFirstCursor;
  mirror_.begin_scan(now);
}

void KeyScan::ask_for_page(std::size_t waiting, const std::function<void(const Command&)>& ask) {
  if (!running_ || under_way_ || resting_ || waiting >= kBacklog) return;
  under_way_ = true;
  const std::string cursor = std::exchange(cursor_, {});
  const std::string pattern = std::string(contract::kPrefix) + "*";
  names_asked_ = names_next_;
  ask({"SCAN", cursor, "MATCH", pattern, "COUNT", std::to_string(names_asked_)});
}

Status KeyScan::on_page(const redisReply& page, std::chrono::nanoseconds took) {
  under_way_ = false;
  const auto parts = elements_of(page);
  if (parts.size() != 2) return Error{ErrorCode::kRefused, "SCAN was refused: " + std::string(text_of(page))};
  std::size_t modules = 0;
  for (const redisReply* element : elements_of(*parts[1])) modules += note(text_of(*element)) ? 1 : 0;
  pace(modules, took);
  if (!cursor_.empty()) return Done{};  // started over meanwhile
  const std::string_view next = text_of(*parts[0]);
  if (next == kFirstCursor) {
    finish();
  } else {
    cursor_ = next;
  }
  return Done{};
}

// How large the next page is, and whether it waits.
void KeyScan::pace(std::size_t modules, std::chrono::nanoseconds took) {
  const bool sparse = modules * kModuleEvery < names_asked_;
  names_since_rest_ = sparse ? names_since_rest_ + names_asked_ : 0;
  resting_ = names_since_rest_ >= kNamesToRest;
  if (resting_) names_since_rest_ = 0;
  if (names_asked_ == kSparsePageNames && late_pages_ < kMostLatePages) late_pages_ = took > kFar ? late_pages_ + 1 : 0;
  names_next_ = sparse && late_pages_ < kMostLatePages ? kSparsePageNames : kPageNames;
}

// Whether it is a module.
bool KeyScan::note(std::string_view key) {
  if (contract::classify(key) != contract::KeyClass::kModule) return false;
  const auto path = contract::path_of(key);
  if (!path) {
    mirror_.refuse(contract::spelled_path_of(key), path.error());
    return false;
  }
  // A session may end between the value and the walk through the index.
  const bool ask_index = mirror_.note_seen(*path);
  mark_(*path, ask_index ? RefreshQueue::Doubt::kGone : RefreshQueue::Doubt::kUnspecific);
  return true;
}

void KeyScan::finish() {
  running_ = false;
  mirror_.for_each_unseen([this](ModulePathView path) { mark_(path, RefreshQueue::Doubt::kGone); });
  mirror_.for_each_retained([this](ModulePathView path) { mark_(path, RefreshQueue::Doubt::kDelisted); });
}

}  // namespace bifrost::agent
