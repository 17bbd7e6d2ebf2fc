#include "shim/core/store_fallback.hpp"

#include <utility>

namespace bifrost {
namespace {

// Whoever waits for another thread's question, which is bounded, waits a little longer than that may take.
constexpr std::chrono::milliseconds kGrace{500};

StoreAnswer failed(std::string reason) {
  StoreAnswer answer;
  answer.kind = StoreAnswer::Kind::kFailed;
  answer.reason = std::move(reason);
  return answer;
}

}  // namespace

std::optional<StoreAnswer> StoreFallback::known(const View& view, const ModuleNode& node) const {
  const std::string* root = view.scope.root_of(node.text());
  if (view.settled == nullptr || root == nullptr) return std::nullopt;
  return view.settled->known(*root, node);
}

StoreAnswer StoreFallback::settle(const View& view, const ModuleNode& node) {
  const std::string* root = view.scope.root_of(node.text());
  if (store_ == nullptr || root == nullptr) return failed("nobody here can ask the platform's store");
  const auto put = [&] { return ask(*root, node); };
  if (view.settled == nullptr) return put();
  const auto around = [&](const std::function<void()>& wait) { store_->around(wait); };
  return view.settled->settle(*root, node, put, around, store_->longest_wait() + kGrace);
}

StoreAnswer StoreFallback::ask(const std::string& root, const ModuleNode& node) {
  // Questions are put by import name, whose parts have no dots.
  if (node.text().find('.', root.size()) != std::string::npos) {
    return failed("a part of its path has a dot, so that the platform's store cannot be asked by name");
  }
  {
    const std::lock_guard lock(mutex_);
    if (!breaker_.allows(boot_now())) {
      counters_.add(ShimCounter::kBreakerRefusals);
      return failed(last_error_ + " (not asked again yet)");
    }
  }
  counters_.add(ShimCounter::kCallableAsked);
  StoreAnswer answer = store_->ask(root, node);
  learn_from(answer);
  return answer;
}

void StoreFallback::learn_from(const StoreAnswer& answer) {
  const bool did_not_answer = answer.kind == StoreAnswer::Kind::kFailed && !answer.misunderstood;
  if (answer.kind == StoreAnswer::Kind::kFailed) counters_.add(ShimCounter::kCallableErrors);
  const std::lock_guard lock(mutex_);
  if (!did_not_answer) {
    failures_in_a_row_ = 0;
    breaker_.succeeded();
    return;
  }
  last_error_ = answer.reason;
  if (++failures_in_a_row_ >= kFailuresInARow || answer.timed_out) breaker_.failed(boot_now());
}

}  // namespace bifrost
