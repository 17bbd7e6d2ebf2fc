// queue.hpp - which module an interpreter compiles next. Pure; one thread.
//
// What changed while the mirror was live comes before the backlog of a synchronisation: somebody is about to run it.
// Then the small ones come first, since most imports are small and a giant one holds the helper for seconds. (Q1) A
// path waits at most once. (Q2) A version that took a helper down kMaxDeaths times is not offered again.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>

#include "common/base/module_path.hpp"
#include "common/layout/key_hash.hpp"

namespace bifrost::agent {

class CompileQueue {
 public:
  static constexpr int kMaxDeaths = 2;

  enum class Urgency { kFresh, kBacklog };

  // Replaces what waited for the same path.
  void want(ModulePathView path, std::uint64_t source_bytes, Urgency urgency);
  // The next path, which then waits no longer.
  std::optional<ModulePath> take();

  // A helper died while it compiled this version. True when it should be tried once more.
  bool note_death(ModulePathView path, const layout::Checksum& digest);
  bool is_poison(ModulePathView path, const layout::Checksum& digest) const;

  bool empty() const { return order_.empty(); }
  std::size_t size() const { return order_.size(); }

 private:
  using Place = std::tuple<Urgency, std::uint64_t, ModulePath>;  // urgency, bytes, path
  struct Deaths {
    layout::Checksum digest;
    int count = 0;
  };

  std::set<Place> order_;
  template <class T>
  using ByPath = std::unordered_map<ModulePath, T, ModulePathHash, ModulePathEqual>;
  ByPath<std::set<Place>::iterator> waiting_;
  ByPath<Deaths> deaths_;  // bounded by the number of paths that kill
};

}  // namespace bifrost::agent
