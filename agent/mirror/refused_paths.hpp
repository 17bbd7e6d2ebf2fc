// refused_paths.hpp - which of the paths that no module can have are worth a line in the log.
//
// Redis may hold any number of them, and every scan meets all of them again: each is named once, the first kNamed of
// them, and what they are is not kept. Pure. One thread.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <unordered_set>

namespace bifrost::agent {

class RefusedPaths {
 public:
  static constexpr std::size_t kNamed = 1000;

  enum class News {
    kNone,   // named before, or one too many
    kFirst,  // name it
    kLast,   // name it, and say that no further one will be
  };

  News note(std::string_view path) {
    if (named_.size() == kNamed || !named_.insert(std::hash<std::string_view>()(path)).second) return News::kNone;
    return named_.size() == kNamed ? News::kLast : News::kFirst;
  }

 private:
  std::unordered_set<std::size_t> named_;  // by hash: two paths that share one are named as one
};

}  // namespace bifrost::agent
