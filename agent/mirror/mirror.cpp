#include "agent/mirror/mirror.hpp"

#include <utility>
#include <vector>

namespace bifrost::agent {

static_assert(kMaxPathBytes == layout::kMaxKeyBytes, "every path must fit the segment");

Mirror::Mirror(SegmentWriter& writer, OnExpiry policy, OnRejected on_rejected, OnSource on_source, OnRefused on_refused)
    : writer_(writer),
      policy_(policy),
      on_rejected_(std::move(on_rejected)),
      on_source_(std::move(on_source)),
      on_refused_(std::move(on_refused)) {}

Put Mirror::put_source(ModulePathView path, std::string_view content, std::string_view hash) {
  const Put put = writer_.put_source(path.text(), content, hash);
  if (put == Put::kStaged && on_source_) on_source_(path, content.size());
  return put;
}

void Mirror::adopt(ModulePathView path, const Adopted& module) {
  Entry& entry = paths_.try_emplace(ModulePath(path)).first->second;
  entry.held = module.has_source ? Held::kSource : Held::kNotMirrored;
  // Where nothing is retained, what the agent before did retain is a module whose key the first scan does not find.
  entry.retained = module.retained && policy_ == OnExpiry::kRetain;
  entry.index_lost = module.index_lost;
  loss_pending_ |= module.index_lost;
  if (entry.retained) ++retained_count_;
  if (module.retained && !entry.retained) writer_.mark(path.text(), layout::Mark::kRetained, false);
  if (module.has_source && on_source_) on_source_(path, module.bytes);
}

bool Mirror::take_over(ModulePathView path, std::string_view content, std::string_view hash, const Adopted& module) {
  const bool there = put_source(path, content, hash) == Put::kStaged;
  Entry& entry = hold({.path = path}, there ? Held::kSource : Held::kNotMirrored, there);
  entry.left_out = !there;
  if (there && module.retained && policy_ == OnExpiry::kRetain) set_retained(path, entry, true);
  if (there && module.index_lost) set_index_lost(path, entry, true);
  return there;
}

void Mirror::apply(const Observation& seen) {
  writer_.count(Counter::kRereads);
  switch (seen.kind) {
    case Observation::Kind::kValue: return apply_value(seen);
    case Observation::Kind::kVanished: return apply_vanished(seen);
    case Observation::Kind::kWrongType: return reject(seen, "the key does not hold a string");
    case Observation::Kind::kTooBig: return reject(seen, "larger than --max-module-bytes");
  }
}

void Mirror::apply_value(const Observation& seen) {
  writer_.count(Counter::kRereadBytes, seen.value.size());
  cold_ = false;  // a writer is back
  auto value = parser_.parse(seen.value);
  if (!value) return reject(seen, value.error().message);
  const Put put = put_source(seen.path, value->content, value->hash);
  if (put == Put::kUnchanged) writer_.count(Counter::kUnchanged);
  hold(seen, Held::kSource, put != Put::kUnchanged).left_out = put == Put::kNoRoom;
}

void Mirror::apply_vanished(const Observation& seen) {
  const auto found = paths_.find(seen.path);
  if (found == paths_.end()) return;
  const bool kept = found->second.held == Held::kSource;  // there is nothing to keep of one that was not mirrored
  found->second.deleted_on_purpose |= seen.explicitly_deleted;
  const Vanished verdict =
      decide_vanished(policy_, {seen.index, found->second.deleted_on_purpose, found->second.index_lost});
  if (!kept || found->second.removal_owed || verdict == Vanished::kRemove) {
    // A writer takes a path out of the index, expiry does not: whoever cannot ask the platform may go by the last body.
    const bool expired = !found->second.deleted_on_purpose && seen.index != IndexEntry::kUnlisted;
    return forget(found->first, expired ? layout::Reason::kExpiry : layout::Reason::kChange);
  }
  if (seen.index == IndexEntry::kListed) {
    set_index_lost(found->first, found->second, seen.listed == Observation::Listed::kInLostIndex);
    cold_ = false;  // a writer is back
  }
  if (verdict == Vanished::kRetainCold) {
    cold_ = true;
    find_no_index();
    set_index_lost(found->first, found->second, true);
  } else {
    index_gone_ = false;
  }
  if (!found->second.retained) writer_.count(Counter::kRetainedTotal);
  set_retained(found->first, found->second, true);
}

void Mirror::refuse(std::string_view path, PathFault why) {
  constexpr std::size_t kShownBytes = 256;
  writer_.count(Counter::kBadPaths);
  const RefusedPaths::News news = refused_.note(path);
  if (news == RefusedPaths::News::kNone || !on_refused_) return;
  std::string reason(reason_text(why));
  if (news == RefusedPaths::News::kLast) reason += "; further paths are only counted";
  on_refused_(path.substr(0, kShownBytes), reason);
}

void Mirror::prune_if_asked() {
  if (!std::exchange(prune_asked_, false)) return;
  std::vector<ModulePath> doomed;
  for_each_retained([&](ModulePathView path) { doomed.emplace_back(path); });
  for (const ModulePath& path : doomed) forget(path, layout::Reason::kPrune);
  cold_ = false;
}

void Mirror::reject(const Observation& seen, std::string_view reason) {
  const bool changed = writer_.put_not_mirrored(seen.path.text(), reason) == Put::kStaged;
  if (changed) {
    writer_.count(Counter::kRejected);
    on_rejected_(seen.path, reason);
  }
  hold(seen, Held::kNotMirrored, changed);
}

// Writers list what they write: in the index that there is, or in one that has been lost since. A value that was there
// before says nothing of either, and one of which nobody has heard leaves it as it was.
Mirror::Entry& Mirror::hold(const Observation& seen, Held held, bool changed) {
  auto found = paths_.find(seen.path);
  if (found == paths_.end()) found = paths_.try_emplace(ModulePath(seen.path)).first;
  Entry& entry = found->second;
  const bool written = changed || seen.written || entry.deleted_on_purpose;
  const bool perhaps_lost = seen.listed == Observation::Listed::kSomewhere && (entry.index_lost || loss_pending_);
  const bool lost = seen.listed == Observation::Listed::kInLostIndex || perhaps_lost;
  if (changed) entry.index_lost = false;  // a new version starts without marks
  entry.held = held;
  if (seen.asked > scan_begun_) entry.seen_in_scan = scan_;
  entry.left_out = false;
  entry.deleted_on_purpose = false;
  entry.removal_owed = false;
  set_retained(found->first, entry, false);
  if (written) set_index_lost(found->first, entry, lost && held == Held::kSource);
  return entry;
}

void Mirror::set_retained(ModulePathView path, Entry& entry, bool retained) {
  if (entry.retained == retained) return;  // a new version starts without marks
  retained_count_ += retained ? 1 : std::size_t(-1);
  entry.retained = retained;
  writer_.mark(path.text(), layout::Mark::kRetained, retained);
}

void Mirror::set_index_lost(ModulePathView path, Entry& entry, bool lost) {
  entry.suspected = false;  // or this would be taken back with the suspicion
  if (entry.index_lost == lost) return;
  entry.index_lost = lost;
  writer_.mark(path.text(), layout::Mark::kIndexLost, lost);
}

void Mirror::lose_index() {
  ++index_losses_;
  index_gone_ = loss_pending_ = true;
  for (auto& [path, entry] : paths_) lose_index(path, entry);
}

void Mirror::find_no_index() {
  if (!index_gone_ && !paths_.empty()) lose_index();
}

void Mirror::lose_everything() {
  prune_asked_ = false;
  lose_index();
}

void Mirror::suspect_loss() {
  for (auto& [path, entry] : paths_) {
    if (entry.index_lost) continue;
    lose_index(path, entry);
    entry.suspected = entry.index_lost;
  }
}

void Mirror::confirm_loss() {
  prune_asked_ = false;
  for (auto& [path, entry] : paths_) entry.suspected = false;
}

void Mirror::take_back_loss() {
  for (auto& [path, entry] : paths_) {
    if (entry.suspected) set_index_lost(path, entry, false);
  }
}

std::vector<ModulePath> Mirror::listed(std::size_t most) const {
  std::vector<ModulePath> paths;
  for (const auto& [path, entry] : paths_) {
    if (paths.size() == most) break;
    if ((!entry.index_lost || entry.suspected) && !entry.deleted_on_purpose) paths.push_back(path);
  }
  return paths;
}

void Mirror::lose_index(ModulePathView path, Entry& entry) {
  if (entry.held == Held::kSource && !entry.deleted_on_purpose) set_index_lost(path, entry, true);
}

void Mirror::forget(ModulePathView path, layout::Reason reason) {
  const auto found = paths_.find(path);
  // Still served, and no lease before the next synchronisation: which finds it missing and comes here again.
  found->second.removal_owed = writer_.remove(path.text(), reason) == Put::kNoRoom;
  if (found->second.removal_owed) return;
  if (found->second.retained) --retained_count_;
  paths_.erase(found);
}

bool Mirror::note_seen(ModulePathView path) {
  const auto found = paths_.find(path);
  if (found == paths_.end()) return loss_pending_;
  found->second.seen_in_scan = scan_;
  return found->second.index_lost || loss_pending_;
}

Mirror::Known Mirror::note_listed(ModulePathView path) {
  index_gone_ = false;
  const auto found = paths_.find(path);
  if (found == paths_.end()) return Known::kNot;
  Entry& entry = found->second;
  entry.seen_in_scan = scan_;
  set_index_lost(found->first, entry, false);
  if (entry.left_out && retries_left_ != 0) {
    --retries_left_;
    return Known::kLeftOut;
  }
  return entry.retained ? Known::kRetained : Known::kHeld;
}

bool Mirror::note_entry(ModulePathView path, IndexEntry entry) {
  const auto found = paths_.find(path);
  if (found == paths_.end() || !found->second.retained) return false;
  if (entry == IndexEntry::kListed) set_index_lost(found->first, found->second, false);
  if (entry == IndexEntry::kListed || entry == IndexEntry::kUnknown) return false;
  if (entry == IndexEntry::kNoIndex && found->second.index_lost) cold_ = true;
  return !found->second.index_lost;
}

void Mirror::for_each_unseen(const std::function<void(ModulePathView)>& visit) const {
  for (const auto& [path, entry] : paths_) {
    if (entry.seen_in_scan != scan_ && !entry.retained) visit(path);
  }
}

void Mirror::for_each_delisted(const std::function<void(ModulePathView)>& visit) const {
  for (const auto& [path, entry] : paths_) {
    if (entry.retained && !entry.index_lost && entry.seen_in_scan != scan_) visit(path);
  }
}

void Mirror::for_each_by_index(const std::function<void(ModulePathView)>& visit) const {
  if (!has_retained()) return;
  for (const auto& [path, entry] : paths_) {
    if (entry.retained && !entry.index_lost) visit(path);
  }
}

void Mirror::for_each_leaving(const std::function<void(ModulePathView)>& visit) const {
  for (const auto& [path, entry] : paths_) {
    if (entry.retained && entry.deleted_on_purpose) visit(path);
  }
}

void Mirror::for_each_source(const std::function<void(ModulePathView path)>& visit) const {
  for (const auto& [path, entry] : paths_) {
    if (entry.held == Held::kSource) visit(path);
  }
}

void Mirror::for_each_retained(const std::function<void(ModulePathView)>& visit) const {
  for (const auto& [path, entry] : paths_) {
    if (entry.retained) visit(path);
  }
}

}  // namespace bifrost::agent
