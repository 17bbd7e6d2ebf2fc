// resolver.hpp - from a name to an answer, across directories and sources.
//
// Within a root as on disk: the first package or module, or a namespace of all the directories. One root is resolved
// completely before the next, but for the directories of a namespace. Where Redis does not hold everything, what it
// lacks is settled by the platform's store, and what cannot be known of one directory ends the search: the next may be
// another scope's.
// Concurrency: any thread; no state of its own. Lookups in the segment never wait; questions to Redis are bounded by
// RedisFallback.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/module_path.hpp"
#include "common/layout/listing.hpp"
#include "common/reader/slot_witness.hpp"
#include "shim/core/node_lookup.hpp"
#include "shim/core/resolution.hpp"
#include "shim/core/store_fallback.hpp"
#include "shim/core/view.hpp"

namespace bifrost {

class Resolver {
 public:
  Resolver(const NodeLookup& nodes, StoreFallback& store) : nodes_(nodes), store_(store) {}

  // `name` in the first of `directories` that has it. Directories outside the view's scope are skipped, and so are
  // those below which the name cannot be a module's: nobody is asked about them. kUnsettled when the store would have
  // to be asked and may not be.
  Resolution resolve(const View& view, std::span<const std::string> directories, std::string_view name,
                     Asking asking) const;

  // The source stored under a path, whatever its name means as an import: kModule, or as resolve(), by the same rules.
  Resolution read_path(const View& view, ModulePathView path) const;

  // The file of `path` in the first root of the scope that has it, as resolve() goes through them: for whoever runs
  // files by path. A path that lies in one of the roots already means that one. kModule, kPackage (a directory's
  // `__init__.py`), or as resolve().
  Resolution find_path(const View& view, ModulePathView path) const;

  // What resolve(), read_path() and find_path() of the same arguments ask Redis, as far as that is known before.
  using Questions = std::vector<std::vector<ModulePath>>;
  Questions questions_by_name(const View& view, std::span<const std::string> directories, std::string_view name) const;
  Questions questions_by_path(const View& view, ModulePathView path) const;
  Questions questions_by_place(const View& view, ModulePathView path) const;

  // The words of the segment that decide what resolve() of the same arguments says; false when others decide, too. For
  // views that speak for themselves.
  bool witness_name(const View& view, std::span<const std::string> directories, std::string_view name, Asking asking,
                    std::vector<SlotWitness>& to) const;
  // The same of find_path().
  bool witness_path(const View& view, ModulePathView path, std::vector<SlotWitness>& to) const;
  // The same of read_path() and of list().
  bool witness_key(const View& view, layout::KeySpace space, std::string_view key, std::vector<SlotWitness>& to) const;

  // What lies in `directory`. `unknown`: nobody who knows could be asked, and why; "" otherwise.
  struct Listing {
    bool snapshot_lost = false;
    std::vector<Child> children;
    std::string unknown;
    std::uint64_t moves = 0;  // for ProcessState::check_taken()
  };
  Listing list(const View& view, const std::string& directory) const;

 private:
  // Where find_path() looks, in this order.
  std::vector<ModulePath> places_of(const View& view, ModulePathView path) const;
  // What `node` is, when the mirror and Redis have said `here`, which does not decide it.
  Resolution settled(const View& view, const ModuleNode& node, Asking asking, Resolution here) const;
  // What the store has under exactly this path of one root, when the mirror and Redis have said `here`.
  Resolution settled_path(const View& view, ModulePathView path, Resolution here) const;
  // The store as the last of all, where Redis holds everything.
  Resolution asked_last(const View& view, std::span<const std::string> directories, std::string_view name,
                        Resolution nowhere) const;

  const NodeLookup nodes_;
  StoreFallback& store_;
};

}  // namespace bifrost
