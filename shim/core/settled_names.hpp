// settled_names.hpp - what the platform's store has said of names, for the length of one execution.
//
// A question is put once per name and root, however many threads want to know: the first asks, the others wait for it.
// An answer stays for as long as the execution, a namespace and "not there" included, so that one execution sees one
// state. A failure is no answer: whoever waits for it gets it, and the next one asks again.
// Concurrency: any thread, and forks at any moment: a child asks again what a thread of its parent was asking.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>

#include "shim/core/around_wait.hpp"
#include "shim/core/at_fork.hpp"
#include "shim/core/whole_store.hpp"

namespace bifrost {

class SettledNames final : public AtFork {
 public:
  // More answers than this are not remembered.
  static constexpr std::size_t kMostNames = 65'536;

  SettledNames() { watch_forks(); }
  ~SettledNames() { leave_forks(); }

  // What has been said of it. Never waits.
  std::optional<StoreAnswer> known(const std::string& root, const ModuleNode& node) const;

  // The same, asked by `ask` unless it is known or being asked; another thread's question is waited for inside
  // `around_wait`, no longer than `patience`. One of this thread, in another greenlet or below a signal's handler,
  // would wait for whoever waits for it: it is asked twice. An exception of `ask` is its caller's: whoever waits for it
  // asks for itself.
  StoreAnswer settle(const std::string& root, const ModuleNode& node, const std::function<StoreAnswer()>& ask,
                     const AroundWait& around_wait, std::chrono::nanoseconds patience);

  void before_fork() override { mutex_.lock(); }
  void after_fork_in_parent() override { mutex_.unlock(); }
  void after_fork_in_child() override;

 private:
  using Answer = std::shared_future<std::optional<StoreAnswer>>;  // nothing: whoever asked was interrupted
  struct Question {
    Answer answer;
    std::thread::id asked_by;
  };

  static std::string key_of(const std::string& root, const ModuleNode& node);
  static bool is_there(const Answer& answer) {
    return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  StoreAnswer put(const std::string& key, std::promise<std::optional<StoreAnswer>> question,
                  const std::function<StoreAnswer()>& ask);
  void forget(const std::string& key);

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Question> asked_;
};

}  // namespace bifrost
