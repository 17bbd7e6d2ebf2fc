#include "shim/core/node_lookup.hpp"

#include <chrono>

#include "common/redis/contract.hpp"
#include "common/redis/module_value.hpp"

namespace bifrost {
namespace {

using Kind = Resolution::Kind;

constexpr int kSecondLooks = 2;
// An index that is older is read again.
constexpr std::chrono::milliseconds kIndexAge{1000};

// An index that is gone altogether was lost with its modules, unless it may have gone with its last member.
bool index_was_lost(const FileInRedis& absent, const Segment& segment) {
  return !absent.index_exists && segment.memory().root().relaxed(layout::control::kModules) > 1;
}

// Whether a module that the segment holds and Redis does not was deleted rather than expired. A delete takes the path
// out of the index, expiry does not.
bool was_deleted(const FileInRedis& absent, const Segment& segment, bool index_lost) {
  return !index_was_lost(absent, segment) && !absent.listed && !index_lost;
}

}  // namespace

std::string unreachable(const std::string& why) {
  return "Redis unreachable: " + why;
}

std::string explain_no_authority(const View& view, const std::string& why_not_redis) {
  const std::string mirror =
      view.segment == nullptr ? "there is no mirror: "
                              : "the mirror is stale at generation " + std::to_string(view.generation().value) + ": ";
  return mirror + view.why_not_mirror + "; " + why_not_redis;
}

std::vector<ModulePath> candidate_paths(const ModuleNode& node) {
  std::vector<ModulePath> paths;
  if (auto package = node.package_file()) paths.push_back(std::move(*package));
  paths.push_back(node.file());
  return paths;
}

std::vector<ModulePath> NodeLookup::Wanted::paths() const {
  return node_ != nullptr ? candidate_paths(*node_) : std::vector{ModulePath(*file_)};
}

Result<FileInRedis> NodeLookup::first_in_redis(const View& view, const Wanted& wanted) const {
  const std::vector<ModulePath> paths = wanted.paths();
  auto first = ahead_ != nullptr ? ahead_->first_of(paths) : redis_.first_of({paths.begin(), paths.end()});
  if (first) view.takes_what_is_newest();  // also by what is not there: it may have been until now
  if (first) note_read(view);
  return first;
}

void NodeLookup::note_read(const View& view) const {
  const bool beside_newest = view.authority == Authority::kMirror && view.segment != nullptr &&
                             !view.segment->retired() && view.snapshot.renewed().generation() == view.generation();
  beside_newest ? redis_.last_reads().note_beside(view.generation()) : redis_.last_reads().note_without_mirror();
}

std::optional<std::vector<ModulePath>> NodeLookup::question_about(const View& view, const Wanted& wanted) const {
  const auto is_gap = [&] {
    if (view.authority != Authority::kMirror || view.complete) return false;
    if (wanted.node() == nullptr) return view.snapshot.find_file(wanted.file()->text()).status == Lookup::kMiss;
    return view.snapshot.find_node(wanted.node()->text()).status == Lookup::kMiss;
  };
  if (view.authority != Authority::kRedis && !is_gap()) return std::nullopt;
  return wanted.paths();
}

Resolution NodeLookup::answer_to(const View& view, const Wanted& wanted) const {
  if (view.authority == Authority::kRedis) return ask_redis(view, wanted);
  MirrorAnswer mirror = look_in_mirror(view, wanted);
  if (mirror.gap != Gap::kNone) return fill_gap(view, wanted, mirror);
  if (view.authority == Authority::kMirror) {
    counters_.add(ShimCounter::kMirrorAnswers);
    return std::move(mirror.resolution);
  }
  return last_known_good(view, wanted, std::move(mirror), unreachable(view.why_not_redis));
}

NodeLookup::MirrorAnswer NodeLookup::look_in_mirror(const View& view, const Wanted& wanted) const {
  if (view.segment == nullptr) return {{}, Gap::kNoSegment, view.why_not_mirror};
  return wanted.node() != nullptr ? look_for_node(view, *wanted.node()) : look_for_file(view, *wanted.file());
}

NodeLookup::MirrorAnswer NodeLookup::look_for_node(const View& view, const ModuleNode& node) const {
  const FoundNode found = view.snapshot.find_node(node.text());
  if (found.status == Lookup::kMiss && node.names_init()) return look_for_file(view, node.file());
  if (found.status != Lookup::kHit) return no_record(view, found.status);
  switch (found.node.shape.kind) {
    case layout::RecordKind::kNamespace: return {Resolution::namespace_at(node.text()), Gap::kNone, {}};
    case layout::RecordKind::kPackage: {
      auto path = node.package_file();
      if (!path) return no_record(view, Lookup::kDamaged);
      return answer_for(node, read_record(view, found.file, std::move(*path)));
    }
    default: return read_record(view, found.file, node.file());
  }
}

// A name that had no room does not lead to a file that has it. Once its key has expired nobody else has that file.
NodeLookup::MirrorAnswer NodeLookup::retained_without_name(const View& view, const Wanted& wanted,
                                                           MirrorAnswer missed) const {
  if (missed.gap != Gap::kIncomplete || wanted.node() == nullptr) return missed;
  for (const ModulePath& path : candidate_paths(*wanted.node())) {
    MirrorAnswer read = look_for_file(view, path);
    if (read.gap == Gap::kNone && read.retained) return answer_for(*wanted.node(), std::move(read));
    // What there is of that path, or was until it expired, comes before any other.
    if (read.gap != Gap::kIncomplete) return missed;
    auto known = index(view);
    if (!known || (*known)->contains(path.text())) return missed;
  }
  return missed;
}

NodeLookup::MirrorAnswer NodeLookup::answer_for(const ModuleNode& node, MirrorAnswer read) {
  Resolution& r = read.resolution;
  if (read.gap == Gap::kNone && r.kind == Kind::kModule && *r.path != node.file()) {
    r.kind = Kind::kPackage;
    r.portions = {node.text()};
  }
  return read;
}

NodeLookup::MirrorAnswer NodeLookup::look_for_file(const View& view, ModulePathView path) const {
  const Found found = view.snapshot.find_file(path.text());
  const bool there = found.status == Lookup::kHit || found.status == Lookup::kNotMirrored;
  return there ? read_record(view, found.record, ModulePath(path)) : no_record(view, found.status);
}

NodeLookup::MirrorAnswer NodeLookup::no_record(const View& view, Lookup status) const {
  switch (status) {
    case Lookup::kGone: return {Resolution::answer(Kind::kSnapshotLost), Gap::kNone, {}};
    case Lookup::kDamaged:
    case Lookup::kNotMirrored:  // files are, names are not
      counters_.add(ShimCounter::kDamaged);
      return {{}, Gap::kDamaged, "its record in the mirror is damaged"};
    default: break;
  }
  if (view.complete || view.authority == Authority::kStale) return {};
  return {{}, Gap::kIncomplete, "the mirror is not complete"};
}

NodeLookup::MirrorAnswer NodeLookup::read_record(const View& view, const RecordRef& file, ModulePath path) const {
  const bool mirrored = file.shape.kind != layout::RecordKind::kNotMirrored;
  std::string body;
  // The content of a source is verified when somebody reads it.
  switch (mirrored ? view.snapshot.verify_head(file, body) : view.snapshot.verify(file, body)) {
    case Lookup::kHit: break;
    case Lookup::kGone: return no_record(view, Lookup::kGone);
    default: return no_record(view, Lookup::kDamaged);
  }
  // A node's link may be damaged and lead to another file, which is whole.
  if (Snapshot::key_in(file, body) != path.text()) return no_record(view, Lookup::kDamaged);
  if (!mirrored) {
    counters_.add(ShimCounter::kNotMirrored);
    return {{}, Gap::kNotMirrored, "it is not mirrored: " + std::string(Snapshot::content_in(file, body))};
  }
  MirrorAnswer read;
  read.retained = file.has(layout::Mark::kRetained);
  read.index_lost = file.has(layout::Mark::kIndexLost);
  read.resolution.kind = Kind::kModule;
  read.resolution.path = std::move(path);
  std::string hash(Snapshot::token_in(file, body));
  const ChunkMap& chunks = view.segment->chunks();
  auto chunk = chunks.hold(file.address.chunk());
  if (chunk == nullptr) return no_record(view, Lookup::kGone);
  ModuleSource& source = read.resolution.source;
  source = ModuleSource(std::move(chunk), file, view.snapshot.generation(), std::move(hash));
  VariantRef variant;
  if (!tag_.empty() && view.snapshot.find_variant(file, read.resolution.path->text(), tag_, variant) == Lookup::kHit) {
    source.has_code(chunks.hold(variant.address.chunk()), variant);
  }
  return read;
}

std::optional<RecordRef> NodeLookup::before_expiry(const View& view, ModulePathView path) const {
  Found found = view.snapshot.at_address(view.snapshot.newest_of(layout::KeySpace::kFile, path.text()));
  std::uint64_t steps = layout::kMaxChainSteps;
  while (found.status == Lookup::kHit && found.record.created > view.generation() && steps-- != 0) {
    found = view.snapshot.at_address(found.record.previous);
  }
  // What somebody deleted stays deleted.
  const bool expired = found.status == Lookup::kHit && found.record.shape.kind == layout::RecordKind::kAbsent &&
                       found.record.shape.reason == layout::Reason::kExpiry;
  if (!expired) return std::nullopt;
  found = view.snapshot.at_address(found.record.previous);
  if (found.status != Lookup::kHit || found.record.shape.kind != layout::RecordKind::kSource) return std::nullopt;
  return found.record;
}

Resolution NodeLookup::expired_body(const View& view, const ModuleNode& node, Resolution failed) const {
  if (view.segment == nullptr) return failed;
  for (ModulePath& path : candidate_paths(node)) {
    const auto record = before_expiry(view, path);
    if (!record) continue;
    MirrorAnswer last = read_record(view, *record, std::move(path));
    if (last.gap != Gap::kNone || last.resolution.kind != Kind::kModule) continue;
    if (!try_to_serve_stale()) {
      failed.reason += "; BIFROST_ON_STALE=error forbids the last known source";
      return failed;
    }
    return answer_for(node, std::move(last)).resolution;
  }
  return failed;
}

Resolution NodeLookup::fill_gap(const View& view, const Wanted& wanted, const MirrorAnswer& mirror) const {
  auto file = first_in_redis(view, wanted);
  if (!file) {
    const std::string why = unreachable(file.error().message);
    if (mirror.gap == Gap::kIncomplete || mirror.gap == Gap::kNoSegment) {
      return Resolution::answer(Kind::kUnknown, mirror.reason + "; " + why);
    }
    return Resolution::answer(Kind::kRefused, mirror.reason + "; " + why);
  }
  if (file->kind != FileInRedis::Kind::kAbsent) return from_file(std::move(*file), wanted);
  MirrorAnswer kept = retained_without_name(view, wanted, mirror);
  if (holds_module(kept)) {
    counters_.add(ShimCounter::kRetainedServes);
    return std::move(kept.resolution);
  }
  // A gap hides what a directory is, but not that the key is gone.
  if (wanted.node() == nullptr) return Resolution::answer(Kind::kNotFound);
  auto known = index_beside(*file, view, wanted);
  const std::string& directory = wanted.node()->text();
  if (known && (*known)->has_directory(directory)) return Resolution::namespace_at(directory);
  return Resolution::answer(Kind::kNotFound);
}

Resolution NodeLookup::ask_redis(const View& view, const Wanted& wanted) const {
  bool index_existed = false;
  for (int look = 0;; ++look) {
    auto file = first_in_redis(view, wanted);
    if (!file) return last_known_good(view, wanted, look_in_mirror(view, wanted), unreachable(file.error().message));
    if (file->kind != FileInRedis::Kind::kAbsent) return from_file(std::move(*file), wanted);
    if (view.segment == nullptr) return absent_everywhere(view, wanted, *file);
    // An index that goes between two looks went with its last member.
    file->index_exists = index_existed |= file->index_exists;
    // The mirror after Redis, and at its newest: what Redis had until now may have reached it meanwhile.
    const View newest = mirror_.at_newest(view);
    MirrorAnswer mirror = retained_without_name(newest, wanted, look_in_mirror(newest, wanted));
    // A module that is there for the mirror and not for Redis has expired, is half deleted, or was written after Redis
    // had answered. If the mirror has not seen it go, another look tells in nearly every case; the one or two round
    // trips are paid by modules that have just gone.
    const bool undecided = holds_module(mirror) && !mirror.retained;
    if (!undecided || look == kSecondLooks) return absent_in_redis(newest, wanted, *file, std::move(mirror));
  }
}

bool NodeLookup::holds_module(const MirrorAnswer& mirror) {
  const Kind kind = mirror.resolution.kind;
  return mirror.gap == Gap::kNone && (kind == Kind::kModule || kind == Kind::kPackage);
}

Resolution NodeLookup::absent_in_redis(const View& view, const Wanted& wanted, const FileInRedis& absent,
                                       MirrorAnswer mirror) const {
  if (mirror.resolution.kind == Kind::kSnapshotLost) return std::move(mirror.resolution);
  const bool held = holds_module(mirror);
  // Only the index knows directories. What they hold decides for itself.
  const bool directory = mirror.gap == Gap::kNone && mirror.resolution.kind == Kind::kNamespace;
  if (directory && index_was_lost(absent, *view.segment)) return std::move(mirror.resolution);
  if (!held || was_deleted(absent, *view.segment, mirror.index_lost)) {
    Resolution by_redis = absent_everywhere(view, wanted, absent);
    // A directory that Redis knows is one; whatever else the mirror has may have been lost.
    const bool lost = mirror.gap == Gap::kNone && mirror.resolution.found() && (held || !by_redis.found());
    if (lost && by_redis.kind == Kind::kUnknown)
      return last_known_good(view, wanted, std::move(mirror), by_redis.reason);
    if (!lost || !is_another_server(*view.segment)) return by_redis;
    return last_known_good(view, wanted, std::move(mirror),
                           "Redis has been replaced or restarted, and may have lost it");
  }
  if (!vouches_for(view, *mirror.resolution.path)) {
    return last_known_good(view, wanted, std::move(mirror), "Redis no longer has it, though nobody deleted it");
  }
  counters_.add(ShimCounter::kRetainedServes);
  return std::move(mirror.resolution);
}

Resolution NodeLookup::absent_everywhere(const View& view, const Wanted& wanted, const FileInRedis& absent) const {
  if (wanted.node() == nullptr) return Resolution::answer(Kind::kNotFound);
  auto known = index_beside(absent, view, wanted);
  if (!known) return Resolution::unknown_but_absent(known.error().message);
  const std::string& directory = wanted.node()->text();
  return (*known)->has_directory(directory) ? Resolution::namespace_at(directory) : Resolution::answer(Kind::kNotFound);
}

bool NodeLookup::is_another_server(const Segment& segment) const {
  const std::string known = segment.run_id();
  if (known.empty() || segment.lease_valid(boot_now())) return false;
  const auto answering = redis_.run_id();
  return answering && !answering->empty() && *answering != known;
}

bool NodeLookup::vouches_for(const View& view, ModulePathView path) const {
  return view.leased && view.holds_through >= redis_.last_reads().last_value_of(path);
}

bool NodeLookup::lacks_what_redis_had(const View& view, const Wanted& wanted) const {
  const LastReads& reads = redis_.last_reads();
  const ModuleNode* node = wanted.node();
  if (node != nullptr && view.holds_through < reads.last_value_below(node->text())) return true;
  const std::vector<ModulePath> paths = wanted.paths();
  return std::ranges::any_of(paths,
                             [&](const ModulePath& path) { return view.holds_through < reads.last_value_of(path); });
}

Resolution NodeLookup::last_known_good(const View& view, const Wanted& wanted, MirrorAnswer mirror,
                                       const std::string& why_not_redis) const {
  const std::string why = explain_no_authority(view, why_not_redis);
  if (mirror.resolution.kind == Kind::kSnapshotLost) return std::move(mirror.resolution);
  switch (mirror.gap) {
    case Gap::kNone: break;
    case Gap::kNoSegment:
    case Gap::kIncomplete: return Resolution::answer(Kind::kUnknown, why);
    case Gap::kNotMirrored:
    case Gap::kDamaged: return Resolution::answer(Kind::kRefused, mirror.reason + "; " + why_not_redis);
  }
  if (!mirror.resolution.found()) {
    return lacks_what_redis_had(view, wanted) ? Resolution::answer(Kind::kUnknown, why)
                                              : Resolution::unknown_but_absent(why);
  }
  if (!try_to_serve_stale())
    return Resolution::answer(Kind::kRefused, why + "; BIFROST_ON_STALE=error forbids the last known source");
  return std::move(mirror.resolution);
}

bool NodeLookup::try_to_serve_stale() const {
  if (serve_stale_) counters_.add(ShimCounter::kStaleServes);
  return serve_stale_;
}

Resolution NodeLookup::from_file(FileInRedis file, const Wanted& wanted) {
  if (file.kind == FileInRedis::Kind::kBadValue) {
    return Resolution::answer(Kind::kRefused,
                              "the value of " + contract::key_of(*file.path) + " cannot be used: " + file.reason);
  }
  Resolution r;
  const bool package = wanted.node() != nullptr && file.path->text() != wanted.node()->file().text();
  r.kind = package ? Kind::kPackage : Kind::kModule;
  if (package) r.portions = {wanted.node()->text()};
  r.path = std::move(file.path);
  r.source = ModuleSource(std::move(file.content), std::move(file.hash), SourceOrigin::kRedis);
  return r;
}

Resolution NodeLookup::read_again(const Segment* newest, ModulePathView path) const {
  if (newest != nullptr) {
    const Snapshot snapshot = newest->snapshot();
    const Found found = snapshot.find_file(path.text());
    std::string body;
    if (found.status == Lookup::kHit && snapshot.verify(found.record, body) == Lookup::kHit) {
      Resolution r;
      r.kind = Kind::kModule;
      r.path = ModulePath(path);
      r.source = ModuleSource(std::string(Snapshot::content_in(found.record, body)),
                              std::string(Snapshot::token_in(found.record, body)), SourceOrigin::kSegment);
      return r;
    }
  }
  auto file = redis_.first_of({path});
  if (!file) return Resolution::answer(Kind::kUnknown, unreachable(file.error().message));
  if (file->kind == FileInRedis::Kind::kAbsent) return Resolution::answer(Kind::kNotFound, "Redis does not have it");
  return from_file(std::move(*file), Wanted(path));
}

Result<std::shared_ptr<const PathIndex>> NodeLookup::index(const View& view) const {
  auto known = redis_.index(kIndexAge);
  if (known) note_read(view);
  if (known) view.takes_what_is_newest();
  return known;
}

Result<std::shared_ptr<const PathIndex>> NodeLookup::index_beside(const FileInRedis& absent, const View& view,
                                                                  const Wanted& wanted) const {
  auto known = index(view);
  const std::vector<ModulePath> paths = wanted.paths();
  const auto was_listed = [&](const ModulePath& path) { return (*known)->contains(path.text()); };
  if (!known || absent.listed || std::ranges::none_of(paths, was_listed)) return known;
  redis_.forget_index();
  return index(view);
}

}  // namespace bifrost
