// resolver.hpp - from a name to an answer, across directories and sources.
//
// One directory is resolved completely (package, module, namespace) before the next. Where Redis does not hold
// everything, what it lacks is settled by the platform's store, and what cannot be known of one directory ends the
// search: the next may be another scope's. Who is asked follows from the view's authority:
//   kMirror  the segment; Redis only for what the segment cannot say (not mirrored, damaged, a miss while incomplete)
//   kRedis   Redis; the segment, at its newest, for what expired there but was never deleted; the view's when Redis
//            cannot be reached
//   kStale   the segment; Redis for what is not in it at all but known to exist
// Concurrency: any thread; no state of its own. Lookups in the segment never wait; questions to Redis are bounded by
// RedisFallback.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/module_path.hpp"
#include "common/layout/listing.hpp"
#include "common/reader/slot_witness.hpp"
#include "shim/core/mirror_view.hpp"
#include "shim/core/redis_fallback.hpp"
#include "shim/core/resolution.hpp"
#include "shim/core/shim_counters.hpp"
#include "shim/core/store_fallback.hpp"
#include "shim/core/view.hpp"

namespace bifrost {

// Whether the platform's store is asked about what has not been settled in this execution. The finders ask nobody at
// first: installed packages come before the store.
enum class Asking { kNobody, kStore };

class Resolver {
 public:
  // `tag`: of the interpreter whose code is looked for beside the source; empty: of none.
  Resolver(MirrorView& mirror, RedisFallback& redis, StoreFallback& store, ShimCounters& counters, bool serve_stale,
           const CodeTag& tag)
      : mirror_(mirror), redis_(redis), store_(store), counters_(counters), serve_stale_(serve_stale), tag_(tag) {}

  // `name` in the first of `directories` that has it. Directories outside the view's scope are skipped, and so are
  // those below which the name cannot be a module's: nobody is asked about them. The portions of a namespace are
  // collected from all of them. kUnsettled when the store would have to be asked and may not be.
  Resolution resolve(const View& view, std::span<const std::string> directories, std::string_view name,
                     Asking asking) const;

  // The source stored under a path, whatever its name means as an import: kModule, or as resolve(), by the same rules.
  Resolution read_path(const View& view, ModulePathView path) const;

  // The file of `path` in the first root of the scope that has it, as resolve() goes through them: for whoever runs
  // files by path. A path that lies in one of the roots already means that one. kModule, or as resolve().
  Resolution find_path(const View& view, ModulePathView path) const;

  // What is stored under a path by now, copied into this process: in `newest` (may be null) where it is intact, else in
  // Redis. For what cannot be read any more where it was found.
  Resolution read_again(const Segment* newest, ModulePathView path) const;

  // The words of the segment that decide what resolve() of the same arguments says; false when others decide, too. For
  // views that speak for themselves.
  bool witness_name(const View& view, std::span<const std::string> directories, std::string_view name, Asking asking,
                    std::vector<SlotWitness>& to) const;
  // The same of read_path() and of list().
  bool witness_key(const View& view, layout::KeySpace space, std::string_view key, std::vector<SlotWitness>& to) const;

  // What lies in `directory`. kSnapshotLost is reported; whatever cannot be known is left out.
  struct Listing {
    bool snapshot_lost = false;
    std::vector<Child> children;
  };
  Listing list(const View& view, const std::string& directory) const;

 private:
  // Why the segment did not answer: kNone means that it did.
  enum class Gap { kNone, kIncomplete, kNotMirrored, kDamaged, kNoSegment };
  struct MirrorAnswer {
    Resolution resolution;
    Gap gap = Gap::kNone;
    std::string reason;     // unless kNone
    bool retained = false;  // the agent has seen it expire
    bool index_lost = false;
  };

  // What is asked for: whatever the import of a node finds, or the file under exactly this path. Refers to either.
  class Wanted {
   public:
    explicit Wanted(const ModuleNode& node) : node_(&node) {}
    explicit Wanted(ModulePathView file) : file_(file) {}

    const ModuleNode* node() const { return node_; }  // null when a file is wanted
    const std::optional<ModulePathView>& file() const { return file_; }
    std::vector<ModulePath> paths() const;  // the files that answer, in the order of precedence

   private:
    const ModuleNode* node_ = nullptr;
    std::optional<ModulePathView> file_;
  };

  Resolution answer_to(const View& view, const Wanted& wanted) const;
  // What `node` is, when the mirror and Redis have said `here`, which does not decide it.
  Resolution settled(const View& view, const ModuleNode& node, Asking asking, Resolution here) const;
  // When the store could not say: the body that the mirror had until its key expired, if that is still kept, or
  // `failed`.
  Resolution expired_body(const View& view, const ModuleNode& node, Resolution failed) const;
  std::optional<RecordRef> before_expiry(const View& view, ModulePathView path) const;
  // What the store has under exactly this path of one root, when the mirror and Redis have said `here`.
  Resolution settled_path(const View& view, ModulePathView path, Resolution here) const;
  Resolution asked_last(const View& view, std::span<const std::string> directories, std::string_view name,
                        Resolution nowhere) const;
  MirrorAnswer look_in_mirror(const View& view, const Wanted& wanted) const;
  MirrorAnswer look_for_node(const View& view, const ModuleNode& node) const;
  MirrorAnswer look_for_file(const View& view, ModulePathView path) const;
  // When a lookup did not hit.
  MirrorAnswer no_record(const View& view, Lookup status) const;
  MirrorAnswer read_record(const View& view, const RecordRef& file, ModulePath path) const;
  Resolution ask_redis(const View& view, const Wanted& wanted) const;
  static bool holds_module(const MirrorAnswer& mirror);
  // When Redis answered "no such key", and what the mirror of `view` said after that.
  Resolution absent_in_redis(const View& view, const Wanted& wanted, const FileInRedis& absent,
                             MirrorAnswer mirror) const;
  // No module: a directory, perhaps.
  Resolution absent_everywhere(const View& view, const Wanted& wanted) const;
  // Whether the view's segment holds all that this process may have read of `path`, and is not older than its lease.
  bool is_another_server(const Segment& segment) const;
  bool vouches_for(const View& view, ModulePathView path) const;
  // When nobody vouches for what the segment said: that, if it may be served. `why_not_redis` is one clause.
  Resolution last_known_good(const View& view, MirrorAnswer mirror, const std::string& why_not_redis) const;
  // The first of what is wanted that Redis has.
  Result<FileInRedis> first_in_redis(const Wanted& wanted) const;
  Resolution fill_gap(const View& view, const Wanted& wanted, const MirrorAnswer& mirror) const;
  static Resolution from_file(FileInRedis file, const Wanted& wanted);
  std::optional<std::chrono::milliseconds> index_age(const View& view) const;

  MirrorView& mirror_;
  RedisFallback& redis_;
  StoreFallback& store_;
  ShimCounters& counters_;
  const bool serve_stale_;
  const CodeTag& tag_;
};

// The paths under which a node's module can be stored, in the order of precedence.
std::vector<ModulePath> candidate_paths(const ModuleNode& node);

}  // namespace bifrost
