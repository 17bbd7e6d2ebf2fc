// mirror.hpp - what the node has seen of Redis, and how an observation changes the segment. The entrance to this room:
// observation.hpp is what comes in, retention.hpp decides about keys that vanished, adoption.hpp goes on with what
// the agent before left (layout2.hpp: an agent of an earlier release).
//
// Decides for each path between mirrored, not mirrored, retained and removed. Outlives sessions: what was retained, or
// is to be pruned, is known across connections. Pure but for the writer: no clock, no Redis. One thread, the loop's.
// (M1) Every path that the segment will hold after the next commit is known here.
// (M2) Changes are staged and never committed: when they become visible is the session's decision.
// (M3) A value that cannot be mirrored takes the place of the version before it: workers then ask Redis.
// (M4) What vanished is removed only if retention.hpp says so, or if a prune was asked for. A removal that finds no
//      room is owed, and made up for when a later synchronisation finds the key missing.
// (M5) Keys whose path no module can have stay outside: they are counted, and named once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/mirror/observation.hpp"
#include "agent/mirror/refused_paths.hpp"
#include "agent/mirror/retention.hpp"
#include "common/base/module_path.hpp"
#include "common/redis/module_value.hpp"
#include "common/writer/segment_writer.hpp"

namespace bifrost::agent {

// What the agent before has left of a module.
struct Adopted {
  bool has_source = false;
  bool retained = false;
  bool index_lost = false;
  std::uint64_t bytes = 0;  // of the source
};

class Mirror {
 public:
  // `on_rejected` hears once per version of a value that cannot be mirrored.
  using OnRejected = std::function<void(ModulePathView path, std::string_view reason)>;

  // Hears of each source that has become the newest version of its path, published or about to be.
  using OnSource = std::function<void(ModulePathView path, std::uint64_t bytes)>;

  // Hears once of each path that was refused, as RefusedPaths has it. `path` is what Redis holds, cut to a length.
  using OnRefused = std::function<void(std::string_view path, std::string_view reason)>;

  Mirror(SegmentWriter& writer, OnExpiry policy, OnRejected on_rejected, OnSource on_source = {},
         OnRefused on_refused = {});

  // A module that the agent before has left in the segment, with its marks.
  void adopt(ModulePathView path, const Adopted& module);

  // A source that an agent of an earlier layout has left, to be copied. False when there is no room for it.
  bool take_over(ModulePathView path, std::string_view content, std::string_view hash, const Adopted& module);

  void apply(const Observation& seen);

  // Redis holds a key of the modules' kind under `path`, which cannot be a module's: nothing is mirrored.
  void refuse(std::string_view path, PathFault why);

  // Redis has lost its index: for what it held until now, a newer index that does not list it says nothing.
  void lose_index();
  // Redis has lost all data: the same, and a prune that was asked for before would drop what has to be kept now.
  void lose_everything();
  // Some database was flushed, perhaps this one: the same until it is known, and nothing for ever if it was another.
  void suspect_loss();
  void confirm_loss();
  void take_back_loss();
  // Up to `most` paths that the index listed, as far as is known.
  std::vector<ModulePath> listed(std::size_t most) const;
  // The same, where nobody has told: an answer says that there is no index. Once for as long as there is none; not if
  // it would have listed nothing: its first writer is still to come.
  void find_no_index();
  // How often one was lost.
  std::uint64_t index_losses() const { return index_losses_; }
  // note_listed has heard every member of the present index, from its first to its last.
  void note_index_walked() { loss_pending_ = false; }

  // After the next full synchronisation, in whichever session it ends, everything goes that Redis does not have.
  void ask_for_prune() { prune_asked_ = true; }
  void prune_if_asked();

  // A scan over Redis' key names: after begin_scan, note_seen hears every name. What it did not hear, and what had no
  // value that was asked for since, is unseen.
  void begin_scan(BootTime now) {
    ++scan_;
    scan_begun_ = now;
    retries_left_ = kRetriesPerScan;
  }
  // True: the index that listed it may have been lost, so that whether the one that there is does is asked with its
  // value.
  bool note_seen(ModulePathView path);
  // The same for the index: its members are heard, and a module that a newer index lists is an ordinary one again.
  // kLeftOut: there was no room for it, and there may be by now (kRetriesPerScan of these in one scan).
  enum class Known { kNot, kHeld, kRetained, kLeftOut };
  Known note_listed(ModulePathView path);
  // Whose keys should be there.
  void for_each_unseen(const std::function<void(ModulePathView path)>& visit) const;
  void for_each_source(const std::function<void(ModulePathView path)>& visit) const;
  // Retained because the index listed them, and it does not.
  void for_each_delisted(const std::function<void(ModulePathView path)>& visit) const;

  // What a look at the index alone says of a path. Returns whether its key must be looked at as well.
  bool note_entry(ModulePathView path, IndexEntry entry);

  void for_each_retained(const std::function<void(ModulePathView path)>& visit) const;
  // What goes if the index does not list it: retained, and not for the loss of an index.
  void for_each_by_index(const std::function<void(ModulePathView path)>& visit) const;
  // Retained while a deletion is half done: the key was deleted and the index may still list it.
  void for_each_leaving(const std::function<void(ModulePathView path)>& visit) const;
  bool has_retained() const { return retained_count_ != 0; }
  std::size_t known() const { return paths_.size(); }
  // Redis has lost its data, not deleted it: kept until writers return.
  bool cold() const { return cold_; }

 private:
  static constexpr std::uint64_t kRetriesPerScan = 1000;
  enum class Held { kSource, kNotMirrored };
  struct Entry {
    Held held = Held::kSource;
    bool retained = false;
    bool index_lost = false;
    bool suspected = false;           // index_lost, unless the loss is taken back
    bool left_out = false;            // there was no room for it
    bool deleted_on_purpose = false;  // a deletion was seen since the last value: DEL comes before SREM
    bool removal_owed = false;        // decided, but there was no room to record it
    std::uint64_t seen_in_scan = 0;
  };

  void apply_value(const Observation& seen);
  void apply_vanished(const Observation& seen);
  void reject(const Observation& seen, std::string_view reason);
  Put put_source(ModulePathView path, std::string_view content, std::string_view hash);
  Entry& hold(const Observation& seen, Held held, bool changed);
  void set_retained(ModulePathView path, Entry& entry, bool retained);
  void set_index_lost(ModulePathView path, Entry& entry, bool lost);
  void lose_index(ModulePathView path, Entry& entry);
  void forget(ModulePathView path, layout::Reason reason);

  SegmentWriter& writer_;
  OnExpiry policy_;
  OnRejected on_rejected_;
  OnSource on_source_;
  OnRefused on_refused_;
  RefusedPaths refused_;
  ModuleValueParser parser_;
  std::unordered_map<ModulePath, Entry, ModulePathHash, ModulePathEqual> paths_;
  std::size_t retained_count_ = 0;
  std::uint64_t index_losses_ = 0;
  bool loss_pending_ = false;  // nobody has said yet what the index lists since then
  std::uint64_t scan_ = 0;
  BootTime scan_begun_;
  std::uint64_t retries_left_ = 0;
  bool cold_ = false;
  bool index_gone_ = false;  // as far as is known: its loss has been noted
  bool prune_asked_ = false;
};

}  // namespace bifrost::agent
