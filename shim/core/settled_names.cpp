#include "shim/core/settled_names.hpp"

#include <iterator>
#include <utility>

namespace bifrost {
namespace {

StoreAnswer no_answer_in_time(std::chrono::nanoseconds patience) {
  StoreAnswer answer;
  answer.kind = StoreAnswer::Kind::kFailed;
  const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
  answer.reason = "another thread asks for it, and had no answer within " + std::to_string(waited) + " ms";
  answer.timed_out = true;
  return answer;
}

}  // namespace

// No path holds a NUL.
std::string SettledNames::key_of(const std::string& root, const ModuleNode& node) {
  return root + '\0' + node.text();
}

std::optional<StoreAnswer> SettledNames::known(const std::string& root, const ModuleNode& node) const {
  const std::lock_guard lock(mutex_);
  const auto found = asked_.find(key_of(root, node));
  if (found == asked_.end() || !is_there(found->second)) return std::nullopt;
  return found->second.get();
}

StoreAnswer SettledNames::settle(const std::string& root, const ModuleNode& node,
                                 const std::function<StoreAnswer()>& ask, const AroundWait& around_wait,
                                 std::chrono::nanoseconds patience) {
  const std::string key = key_of(root, node);
  std::promise<StoreAnswer> mine;
  Answer others;
  {
    const std::lock_guard lock(mutex_);
    const auto found = asked_.find(key);
    if (found != asked_.end()) {
      others = found->second;
    } else if (asked_.size() < kMostNames) {
      asked_.emplace(key, mine.get_future().share());
    }
  }
  if (others.valid()) {
    bool there = is_there(others);
    if (!there) around_wait([&] { there = others.wait_for(patience) == std::future_status::ready; });
    return there ? others.get() : no_answer_in_time(patience);
  }
  StoreAnswer answer;
  try {
    answer = ask();
  } catch (...) {
    // Whoever waits asks again by itself: an interrupt is this thread's.
    StoreAnswer interrupted;
    interrupted.kind = StoreAnswer::Kind::kFailed;
    interrupted.reason = "the thread that asked for it was interrupted";
    forget(key);
    mine.set_value(std::move(interrupted));
    throw;
  }
  if (answer.kind == StoreAnswer::Kind::kFailed) forget(key);
  mine.set_value(answer);
  return answer;
}

void SettledNames::forget(const std::string& key) {
  const std::lock_guard lock(mutex_);
  asked_.erase(key);
}

void SettledNames::after_fork_in_child() {
  std::erase_if(asked_, [](const auto& entry) { return !is_there(entry.second); });
  mutex_.unlock();
}

}  // namespace bifrost
