// whole_store.hpp - the seam to whoever knows the platform's whole store, of which Redis holds a part.
//
// The core knows no Python: the extension's implementation asks the host's `fallback.resolve`.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "common/base/module_path.hpp"
#include "shim/core/module_source.hpp"

namespace bifrost {

struct StoreAnswer {
  enum class Kind { kModule, kPackage, kNamespace, kAbsent, kFailed };
  Kind kind = Kind::kAbsent;
  ModuleSource source;                // kModule, kPackage
  std::string reason;                 // kFailed: one clause
  std::shared_ptr<const void> cause;  // kFailed: what the host's code raised, if it did
  bool timed_out = false;             // kFailed
  bool misunderstood = false;         // kFailed: it answered, with something that is no answer
};

class WholeStore {
 public:
  virtual ~WholeStore() = default;

  // What the store has of `node`, which lies below `root`, a root of the scope. Takes no longer than longest_wait().
  // Called with no mutex of the core held.
  virtual StoreAnswer ask(const std::string& root, const ModuleNode& node) = 0;
  virtual std::chrono::nanoseconds longest_wait() const = 0;
  // False in a thread that asks already: what the host's own client imports is not put to it.
  virtual bool may_ask() const = 0;
  // Runs `wait`, in which this thread waits for another's question, without anything that that one may need.
  virtual void around(const std::function<void()>& wait) const = 0;
};

}  // namespace bifrost
