// resolution.hpp - the answer to "what is this name?".
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/module_path.hpp"
#include "shim/core/authority.hpp"
#include "shim/core/module_source.hpp"

namespace bifrost {

// Who is asked about what Redis does not settle and nobody has in this execution. The finders ask nobody at first:
// installed packages come before the platform's store.
enum class Asking {
  kNobody,       // the search ends there
  kStore,        // the platform's store
  kStoreSaysNo,  // nobody: the store has nothing, as it once said
};

struct Resolution {
  enum class Kind {
    kModule,
    kPackage,
    kNamespace,
    kNotFound,      // whoever knows says that there is no such module
    kUnknown,       // nobody who knows could be asked: `reason` says why
    kRefused,       // it exists and cannot be had: `reason` says why
    kUnsettled,     // neither mirror nor Redis has it, which is no proof: the platform's store has not been asked
    kSnapshotLost,  // the view is no longer whole: take another and ask again
  };
  Kind kind = Kind::kNotFound;
  std::optional<ModulePath> path;           // kModule, kPackage: the storage path
  std::vector<std::string> portions;        // kPackage, kNamespace: directories in storage that hold the children
  std::string asked_path;                   // of one that was asked for by its path; "": by its name
  std::vector<std::string> searched;        // its name's directories, if not the scope's roots or a loaded parent's
  ModuleSource source;                      // kModule, kPackage
  std::string reason;                       // kUnknown, kRefused: one clause
  Authority authority = Authority::kRedis;  // of the view that was asked
  Generation asked_at;                      // of its snapshot; 0 without one
  std::uint64_t moves = 0;                  // for ProcessState::check_taken()
  std::uint64_t begun = 0;                  // ProcessState::times_begun() before it was asked for
  bool absent_at_last = false;              // kUnknown: no such file, by Redis or by the last that the mirror knew
  bool store_asked = false;                 // the platform's store had a word in it
  std::shared_ptr<const void> cause;        // kRefused: what the host's code raised, if it did; the extension's own

  static Resolution answer(Kind kind, std::string reason = {}) {
    Resolution r;
    r.kind = kind;
    r.reason = std::move(reason);
    return r;
  }
  static Resolution unknown_but_absent(std::string reason) {
    Resolution r = answer(Kind::kUnknown, std::move(reason));
    r.absent_at_last = true;
    return r;
  }
  static Resolution namespace_at(const std::string& node) {
    Resolution r = answer(Kind::kNamespace);
    r.portions = {node};
    return r;
  }

  // As good as anybody knows, there is none. Neither this nor found(): it cannot be had, or nobody can tell.
  bool absent() const {
    return kind == Kind::kNotFound || kind == Kind::kUnsettled || (kind == Kind::kUnknown && absent_at_last);
  }
  bool found() const { return kind == Kind::kModule || kind == Kind::kPackage || kind == Kind::kNamespace; }
};

}  // namespace bifrost
