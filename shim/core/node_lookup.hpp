// node_lookup.hpp - what one name in one directory is, or one file: by the mirror, by Redis, or by what is left of
// them.
//
// Who is asked follows from the view's authority:
//   kMirror  the segment; Redis only for what the segment cannot say (not mirrored, damaged, a miss while incomplete)
//   kRedis   Redis; the segment, at its newest, for what expired there but was never deleted; the view's when Redis
//            cannot be reached
//   kStale   the segment; Redis for what is not in it at all but known to exist
// Concurrency: any thread; no state of its own. Lookups in the segment never wait; questions to Redis are bounded by
// RedisFallback.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/module_path.hpp"
#include "shim/core/asked_ahead.hpp"
#include "shim/core/mirror_view.hpp"
#include "shim/core/redis_fallback.hpp"
#include "shim/core/resolution.hpp"
#include "shim/core/shim_counters.hpp"
#include "shim/core/view.hpp"

namespace bifrost {

class NodeLookup {
 public:
  // `tag`: of the interpreter whose code is looked for beside the source; empty: of none.
  NodeLookup(MirrorView& mirror, RedisFallback& redis, ShimCounters& counters, bool serve_stale, const CodeTag& tag)
      : mirror_(mirror), redis_(redis), counters_(counters), serve_stale_(serve_stale), tag_(tag) {}

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

  // What answer_to() asks Redis, if it is known before that it will ask.
  std::optional<std::vector<ModulePath>> question_about(const View& view, const Wanted& wanted) const;
  // The same lookup, which puts such questions to `ahead`. That must outlive it.
  NodeLookup asking_by(AskedAhead& ahead) const {
    NodeLookup lookup = *this;
    lookup.ahead_ = &ahead;
    return lookup;
  }

  // When the store could not say: the body that the mirror had until its key expired, if that is still kept, or
  // `failed`.
  Resolution expired_body(const View& view, const ModuleNode& node, Resolution failed) const;

  // What is stored under a path by now, copied into this process: in `newest` (may be null) where it is intact, else in
  // Redis. For what cannot be read any more where it was found.
  Resolution read_again(const Segment* newest, ModulePathView path) const;

  // A record of the mirror contradicts itself.
  void count_damaged() const { counters_.add(ShimCounter::kDamaged); }

  // Whether what the mirror says may be served while nobody vouches for it: counted then.
  bool try_to_serve_stale() const;

  // The directories that Redis knows, or knew a moment ago.
  Result<std::shared_ptr<const PathIndex>> index(const View& view) const;

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

  MirrorAnswer look_in_mirror(const View& view, const Wanted& wanted) const;
  MirrorAnswer look_for_node(const View& view, const ModuleNode& node) const;
  MirrorAnswer look_for_file(const View& view, ModulePathView path) const;
  MirrorAnswer retained_without_name(const View& view, const Wanted& wanted, MirrorAnswer missed) const;
  // What was read of one of the node's paths, as an answer about the node.
  static MirrorAnswer answer_for(const ModuleNode& node, MirrorAnswer read);
  std::optional<RecordRef> before_expiry(const View& view, ModulePathView path) const;
  // When a lookup did not hit.
  MirrorAnswer no_record(const View& view, Lookup status) const;
  MirrorAnswer read_record(const View& view, const RecordRef& file, ModulePath path) const;
  Resolution ask_redis(const View& view, const Wanted& wanted) const;
  static bool holds_module(const MirrorAnswer& mirror);
  // When Redis answered "no such key", and what the mirror of `view` said after that.
  Resolution absent_in_redis(const View& view, const Wanted& wanted, const FileInRedis& absent,
                             MirrorAnswer mirror) const;
  // No module: a directory, perhaps.
  Resolution absent_everywhere(const View& view, const Wanted& wanted, const FileInRedis& absent) const;
  // One that does not list what Redis says is not listed by now: where a module was, there may be a directory.
  Result<std::shared_ptr<const PathIndex>> index_beside(const FileInRedis& absent, const View& view,
                                                        const Wanted& wanted) const;
  // Than the one that the mirror was in sync with. Such a one may lack what nobody deleted.
  bool is_another_server(const Segment& segment) const;
  // Whether the view's snapshot holds all that this process may have read of `path`, under a lease.
  bool vouches_for(const View& view, ModulePathView path) const;
  // When nobody vouches for what the segment said: that, if it may be served. `why_not_redis` is one clause.
  Resolution last_known_good(const View& view, const Wanted& wanted, MirrorAnswer mirror,
                             const std::string& why_not_redis) const;
  // Of what the mirror does not have: Redis had it, or something below it, when this process asked, after that state of
  // the mirror.
  bool lacks_what_redis_had(const View& view, const Wanted& wanted) const;
  // The first of what is wanted that Redis has by now.
  Result<FileInRedis> first_in_redis(const View& view, const Wanted& wanted) const;
  // What Redis has just told, and what of the mirror stood beside it.
  void note_read(const View& view) const;
  Resolution fill_gap(const View& view, const Wanted& wanted, const MirrorAnswer& mirror) const;
  static Resolution from_file(FileInRedis file, const Wanted& wanted);

  MirrorView& mirror_;
  RedisFallback& redis_;
  ShimCounters& counters_;
  const bool serve_stale_;
  const CodeTag& tag_;
  AskedAhead* ahead_ = nullptr;
};

// One clause: why Redis could not be asked.
std::string unreachable(const std::string& why);
// Why neither the mirror nor Redis can say what is true now.
std::string explain_no_authority(const View& view, const std::string& why_not_redis);

// The paths under which a node's module can be stored, in the order of precedence.
std::vector<ModulePath> candidate_paths(const ModuleNode& node);

}  // namespace bifrost
