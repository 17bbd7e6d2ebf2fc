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
  if (found == asked_.end() || !is_there(found->second.answer)) return std::nullopt;
  return found->second.answer.get();
}

StoreAnswer SettledNames::settle(const std::string& root, const ModuleNode& node,
                                 const std::function<StoreAnswer()>& ask, const AroundWait& around_wait,
                                 std::chrono::nanoseconds patience) {
  const std::string key = key_of(root, node);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  do {
    std::promise<std::optional<StoreAnswer>> mine;
    Question others;
    {
      const std::lock_guard lock(mutex_);
      const auto found = asked_.find(key);
      if (found != asked_.end()) {
        others = found->second;
      } else if (asked_.size() < kMostNames) {
        asked_.emplace(key, Question{mine.get_future().share(), std::this_thread::get_id()});
      }
    }
    const Answer& answer = others.answer;
    if (!answer.valid()) return put(key, std::move(mine), ask);
    bool there = is_there(answer);
    if (!there && others.asked_by == std::this_thread::get_id()) return ask();
    if (!there) around_wait([&] { there = answer.wait_until(deadline) == std::future_status::ready; });
    if (!there) break;
    if (answer.get()) return *answer.get();
  } while (std::chrono::steady_clock::now() < deadline);
  return no_answer_in_time(patience);
}

StoreAnswer SettledNames::put(const std::string& key, std::promise<std::optional<StoreAnswer>> question,
                              const std::function<StoreAnswer()>& ask) {
  StoreAnswer answer;
  try {
    answer = ask();
  } catch (...) {
    forget(key);
    question.set_value(std::nullopt);
    throw;
  }
  if (answer.kind == StoreAnswer::Kind::kFailed) forget(key);
  question.set_value(answer);
  return answer;
}

void SettledNames::forget(const std::string& key) {
  const std::lock_guard lock(mutex_);
  asked_.erase(key);
}

void SettledNames::after_fork_in_child() {
  std::erase_if(asked_, [](const auto& entry) { return !is_there(entry.second.answer); });
  mutex_.unlock();
}

}  // namespace bifrost
