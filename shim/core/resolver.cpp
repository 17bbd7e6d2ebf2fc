#include "shim/core/resolver.hpp"

#include <algorithm>

#include "common/redis/contract.hpp"
#include "common/redis/module_value.hpp"

namespace bifrost {
namespace {

using Kind = Resolution::Kind;

constexpr int kSecondLooks = 2;

Resolution answer(Kind kind, std::string reason = {}) {
  Resolution r;
  r.kind = kind;
  r.reason = std::move(reason);
  return r;
}

std::string unreachable(const std::string& why) {
  return "Redis unreachable: " + why;
}

// Neither the mirror nor Redis can say what is true now.
std::string explain_no_authority(const View& view, const std::string& why_not_redis) {
  const std::string mirror =
      view.segment == nullptr ? "there is no mirror: "
                              : "the mirror is stale at generation " + std::to_string(view.generation().value) + ": ";
  return mirror + view.why_not_mirror + "; " + why_not_redis;
}

// Whether a module that the segment holds and Redis does not was deleted rather than expired. A delete takes the path
// out of the index, expiry does not. An index that is gone altogether was lost with its modules, unless it may have
// gone with its last member.
bool was_deleted(const FileInRedis& absent, const Segment& segment, bool index_lost) {
  if (!absent.index_exists) return segment.memory().root().relaxed(layout::control::kModules) <= 1;
  return !absent.listed && !index_lost;
}

Resolution namespace_at(const std::string& node) {
  Resolution r;
  r.kind = Kind::kNamespace;
  r.portions = {node};
  return r;
}

// Only a file decides what a name is. A directory may be a package whose `__init__.py` Redis lacks.
bool needs_settling(const Resolution& here) {
  return here.kind == Kind::kNotFound || here.kind == Kind::kNamespace || here.kind == Kind::kUnknown;
}

Resolution from_store(const ModuleNode& node, StoreAnswer said) {
  Resolution r;
  switch (said.kind) {
    case StoreAnswer::Kind::kAbsent: return r;
    case StoreAnswer::Kind::kNamespace: return namespace_at(node.text());
    case StoreAnswer::Kind::kFailed:
      r = answer(Kind::kRefused, std::move(said.reason));
      r.cause = std::move(said.cause);
      return r;
    case StoreAnswer::Kind::kModule: r.path = node.file(); break;
    case StoreAnswer::Kind::kPackage:
      r.path = node.package_file();
      r.portions = {node.text()};
      break;
  }
  if (!r.path) return answer(Kind::kRefused, "the path of its __init__.py would be too long");
  r.kind = said.kind == StoreAnswer::Kind::kPackage ? Kind::kPackage : Kind::kModule;
  r.source = std::move(said.source);
  return r;
}

}  // namespace

std::vector<ModulePath> candidate_paths(const ModuleNode& node) {
  std::vector<ModulePath> paths;
  if (auto package = node.package_file()) paths.push_back(std::move(*package));
  paths.push_back(node.file());
  return paths;
}

Resolution Resolver::resolve(const View& view, std::span<const std::string> directories, std::string_view name,
                             Asking asking) const {
  Resolution found;
  for (const std::string& directory : directories) {
    const auto node = ModuleNode::parse(join_node(directory, name));
    if (!node || !view.scope.admits(node->text())) continue;
    Resolution here = answer_to(view, Wanted(*node));
    if (!store_.redis_is_complete() && needs_settling(here)) here = settled(view, *node, asking, std::move(here));
    found.store_asked |= here.store_asked;
    if (here.kind == Kind::kSnapshotLost || here.kind == Kind::kUnsettled) return here;
    if (found.kind == Kind::kNamespace) {
      if (here.kind == Kind::kNamespace) found.portions.push_back(node->text());
      // A portion that nobody can tell of may hold what a later one would answer for.
      if (here.kind == Kind::kRefused && here.store_asked) return here;
    } else if (here.kind == Kind::kNamespace ||
               (here.kind == Kind::kUnknown && found.kind == Kind::kNotFound && store_.redis_is_complete())) {
      // What a stale mirror does not have counts as absent where it was complete: the next directory may answer.
      here.store_asked |= found.store_asked;
      found = std::move(here);
    } else if (here.kind != Kind::kNotFound && (here.kind != Kind::kUnknown || !store_.redis_is_complete())) {
      here.store_asked |= found.store_asked;
      return here;
    }
  }
  const bool nowhere = !found.found() && store_.redis_is_complete();
  return nowhere && asking == Asking::kStore ? asked_last(view, directories, name, std::move(found)) : found;
}

Resolution Resolver::settled(const View& view, const ModuleNode& node, Asking asking, Resolution here) const {
  auto said = store_.known(view, node);
  if (!said) {
    if (!store_.has_store()) {
      // A directory that Redis knows is one for whoever has nobody to ask.
      if (here.kind == Kind::kNamespace) return here;
      return answer(Kind::kUnknown, std::string("not in Redis, which may lack it (complete=False), and there is no ") +
                                        "fallback.resolve to ask");
    }
    if (asking == Asking::kNobody || !store_.may_ask()) return answer(Kind::kUnsettled);
    said = store_.settle(view, node);
  }
  const bool failed = said->kind == StoreAnswer::Kind::kFailed && !said->misunderstood;
  Resolution by_store = from_store(node, std::move(*said));
  if (failed) by_store = expired_body(view, node, std::move(by_store));
  // What lies below a directory proves it, whatever the store calls it.
  if (by_store.kind == Kind::kNotFound && here.kind == Kind::kNamespace) by_store = std::move(here);
  by_store.store_asked = true;
  if (!by_store.path) return by_store;
  // As it is now, which need not be what it was at the view's generation.
  if (view.intact != nullptr && view.authority == Authority::kMirror) view.intact->store(false);
  return by_store;
}

std::optional<RecordRef> Resolver::before_expiry(const View& view, ModulePathView path) const {
  Found found = view.snapshot.at_address(view.snapshot.newest_of(layout::KeySpace::kFile, path.text()));
  std::uint64_t steps = layout::kMaxChainSteps;
  while (found.status == Lookup::kHit && found.record.created > view.generation() && steps-- != 0) {
    found = view.snapshot.at_address(view.snapshot.previous_of(found.record));
  }
  // What somebody deleted stays deleted.
  const bool expired = found.status == Lookup::kHit && found.record.shape.kind == layout::RecordKind::kAbsent &&
                       found.record.shape.reason == layout::Reason::kExpiry;
  if (!expired) return std::nullopt;
  found = view.snapshot.at_address(view.snapshot.previous_of(found.record));
  if (found.status != Lookup::kHit || found.record.shape.kind != layout::RecordKind::kSource) return std::nullopt;
  return found.record;
}

Resolution Resolver::expired_body(const View& view, const ModuleNode& node, Resolution failed) const {
  if (view.segment == nullptr) return failed;
  for (ModulePath& path : candidate_paths(node)) {
    const auto record = before_expiry(view, path);
    if (!record) continue;
    const bool is_package = path != node.file();
    MirrorAnswer last = read_record(view, *record, std::move(path));
    if (last.gap != Gap::kNone || last.resolution.kind != Kind::kModule) continue;
    if (!serve_stale_) {
      failed.reason += "; BIFROST_ON_STALE=error forbids the last known source";
      return failed;
    }
    if (is_package) {
      last.resolution.kind = Kind::kPackage;
      last.resolution.portions = {node.text()};
    }
    counters_.add(ShimCounter::kStaleServes);
    return std::move(last.resolution);
  }
  return failed;
}

Resolution Resolver::asked_last(const View& view, std::span<const std::string> directories, std::string_view name,
                                Resolution nowhere) const {
  if (!store_.may_ask()) return nowhere;
  for (const std::string& directory : directories) {
    const auto node = ModuleNode::parse(join_node(directory, name));
    if (!node || !view.scope.admits(node->text())) continue;
    Resolution here = settled(view, *node, Asking::kStore, answer(Kind::kNotFound));
    if (here.kind != Kind::kNotFound) return here;
    nowhere.store_asked = true;
  }
  return nowhere;
}

Resolution Resolver::read_path(const View& view, ModulePathView path) const {
  if (!view.scope.admits(path.text())) return answer(Kind::kNotFound);
  return answer_to(view, Wanted(path));
}

Resolution Resolver::find_path(const View& view, ModulePathView path) const {
  const std::string* inside = view.scope.root_of(path.text());
  const bool named_with_root = inside != nullptr && !inside->empty();
  Resolution nowhere = answer(Kind::kNotFound);
  for (const std::string& root : view.scope.roots()) {
    const auto stored = ModulePath::parse(named_with_root ? std::string(path.text()) : join_node(root, path.text()));
    if (!stored || !view.scope.admits(stored->text())) continue;
    Resolution here = answer_to(view, Wanted(*stored));
    const bool may_lack = here.kind == Kind::kNotFound || here.kind == Kind::kUnknown;
    if (may_lack && store_.has_store()) here = settled_path(view, *stored, std::move(here));
    if (may_lack && !store_.has_store() && !store_.redis_is_complete()) here.kind = Kind::kUnknown;
    const bool may_go_on = here.kind == Kind::kNotFound || (here.kind == Kind::kUnknown && store_.redis_is_complete());
    if (!may_go_on || named_with_root) return here;
    if (here.kind == Kind::kUnknown) nowhere = std::move(here);
  }
  return nowhere;
}

Resolution Resolver::settled_path(const View& view, ModulePathView path, Resolution here) const {
  const bool of_package = path.is_package_file();
  const std::size_t tail = of_package ? paths::kInitFile.size() : paths::kSuffix.size();
  const auto node = ModuleNode::parse(std::string(path.text().substr(0, path.text().size() - tail)));
  if (!node) return here;
  Resolution said = settled(view, *node, Asking::kStore, answer(Kind::kNotFound));
  // A package of that name is another file.
  if (said.found() && (!said.path || said.path->text() != path.text())) return answer(Kind::kNotFound);
  if (said.kind == Kind::kPackage) said.kind = Kind::kModule;
  return said;
}

bool Resolver::witness_name(const View& view, std::span<const std::string> directories, std::string_view name,
                            Asking asking, std::vector<SlotWitness>& to) const {
  const MappedMemory& memory = view.segment->memory();
  bool is_namespace = false;
  for (const std::string& directory : directories) {
    const auto node = ModuleNode::parse(join_node(directory, name));
    if (!node || !view.scope.admits(node->text())) continue;
    const FoundNode found = view.snapshot.find_node(node->text());
    if (found.status != Lookup::kHit && found.status != Lookup::kMiss) return false;
    const auto hash = layout::hash_key(layout::KeySpace::kNode, node->text());
    const Address hit = found.status == Lookup::kHit ? found.node.address : Address();
    if (!witness_slots(memory, view.snapshot, hash, hit, to)) return false;
    const bool is_file = found.status == Lookup::kHit && found.node.shape.kind != layout::RecordKind::kNamespace;
    // Where others decide about what is no file, the search ended here if they were not asked.
    if (!store_.redis_is_complete() && !is_file) return asking == Asking::kNobody;
    if (found.status == Lookup::kMiss) continue;
    if (found.node.shape.kind == layout::RecordKind::kNamespace) {
      is_namespace = true;
      continue;
    }
    if (found.file.shape.kind == layout::RecordKind::kNotMirrored) return false;
    if (!witness_slots(memory, view.snapshot, {found.node.link}, found.file.address, to)) return false;
    if (!is_namespace) return true;  // the first module ends the search
  }
  return true;
}

bool Resolver::witness_key(const View& view, layout::KeySpace space, std::string_view key,
                           std::vector<SlotWitness>& to) const {
  const Found found = view.snapshot.find(space, key);
  if (found.status != Lookup::kHit && found.status != Lookup::kMiss) return false;
  const Address hit = found.status == Lookup::kHit ? found.record.address : Address();
  return witness_slots(view.segment->memory(), view.snapshot, layout::hash_key(space, key), hit, to);
}

std::vector<ModulePath> Resolver::Wanted::paths() const {
  return node_ != nullptr ? candidate_paths(*node_) : std::vector{ModulePath(*file_)};
}

Result<FileInRedis> Resolver::first_in_redis(const Wanted& wanted) const {
  const std::vector<ModulePath> paths = wanted.paths();
  return redis_.first_of({paths.begin(), paths.end()});
}

Resolution Resolver::answer_to(const View& view, const Wanted& wanted) const {
  if (view.authority == Authority::kRedis) return ask_redis(view, wanted);
  MirrorAnswer mirror = look_in_mirror(view, wanted);
  if (mirror.gap != Gap::kNone) return fill_gap(view, wanted, mirror);
  if (view.authority == Authority::kMirror) {
    counters_.add(ShimCounter::kMirrorAnswers);
    return std::move(mirror.resolution);
  }
  return last_known_good(view, std::move(mirror), unreachable(view.why_not_redis));
}

Resolver::MirrorAnswer Resolver::look_in_mirror(const View& view, const Wanted& wanted) const {
  if (view.segment == nullptr) return {{}, Gap::kNoSegment, view.why_not_mirror};
  return wanted.node() != nullptr ? look_for_node(view, *wanted.node()) : look_for_file(view, *wanted.file());
}

Resolver::MirrorAnswer Resolver::look_for_node(const View& view, const ModuleNode& node) const {
  const FoundNode found = view.snapshot.find_node(node.text());
  if (found.status != Lookup::kHit) return no_record(view, found.status);
  switch (found.node.shape.kind) {
    case layout::RecordKind::kNamespace: return {namespace_at(node.text()), Gap::kNone, {}};
    case layout::RecordKind::kPackage: {
      auto path = node.package_file();
      if (!path) return no_record(view, Lookup::kDamaged);
      MirrorAnswer read = read_record(view, found.file, std::move(*path));
      if (read.gap == Gap::kNone && read.resolution.kind == Kind::kModule) {
        read.resolution.kind = Kind::kPackage;
        read.resolution.portions = {node.text()};
      }
      return read;
    }
    default: return read_record(view, found.file, node.file());
  }
}

Resolver::MirrorAnswer Resolver::look_for_file(const View& view, ModulePathView path) const {
  const Found found = view.snapshot.find_file(path.text());
  const bool there = found.status == Lookup::kHit || found.status == Lookup::kNotMirrored;
  return there ? read_record(view, found.record, ModulePath(path)) : no_record(view, found.status);
}

Resolver::MirrorAnswer Resolver::no_record(const View& view, Lookup status) const {
  switch (status) {
    case Lookup::kGone: return {answer(Kind::kSnapshotLost), Gap::kNone, {}};
    case Lookup::kDamaged:
    case Lookup::kNotMirrored:  // files are, names are not
      counters_.add(ShimCounter::kDamaged);
      return {{}, Gap::kDamaged, "its record in the mirror is damaged"};
    default: break;
  }
  if (view.complete || view.authority == Authority::kStale) return {};
  return {{}, Gap::kIncomplete, "the mirror is not complete yet"};
}

Resolver::MirrorAnswer Resolver::read_record(const View& view, const RecordRef& file, ModulePath path) const {
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

Resolution Resolver::fill_gap(const View& view, const Wanted& wanted, const MirrorAnswer& mirror) const {
  auto file = first_in_redis(wanted);
  if (!file) {
    const std::string why = unreachable(file.error().message);
    if (mirror.gap == Gap::kIncomplete || mirror.gap == Gap::kNoSegment) {
      return answer(Kind::kUnknown, mirror.reason + "; " + why);
    }
    return answer(Kind::kRefused, mirror.reason + "; " + why);
  }
  if (file->kind != FileInRedis::Kind::kAbsent) {
    // As it is now, which need not be what it was at the view's generation.
    if (view.intact != nullptr && view.authority == Authority::kMirror) view.intact->store(false);
    return from_file(std::move(*file), wanted);
  }
  // A gap hides what a directory is, but not that the key is gone.
  if (wanted.node() == nullptr) return answer(Kind::kNotFound);
  auto index = redis_.index(index_age(view));
  const std::string& directory = wanted.node()->text();
  if (index && (*index)->has_directory(directory)) return namespace_at(directory);
  return answer(Kind::kNotFound);
}

Resolution Resolver::ask_redis(const View& view, const Wanted& wanted) const {
  bool index_existed = false;
  for (int look = 0;; ++look) {
    auto file = first_in_redis(wanted);
    if (!file) return last_known_good(view, look_in_mirror(view, wanted), unreachable(file.error().message));
    if (file->kind != FileInRedis::Kind::kAbsent) return from_file(std::move(*file), wanted);
    if (view.segment == nullptr) return absent_everywhere(view, wanted);
    // An index that goes between two looks went with its last member.
    file->index_exists = index_existed |= file->index_exists;
    // The mirror after Redis, and at its newest: what Redis had until now may have reached it meanwhile.
    const View newest = mirror_.at_newest(view);
    MirrorAnswer mirror = look_in_mirror(newest, wanted);
    // A module that is there for the mirror and not for Redis has expired, is half deleted, or was written after Redis
    // had answered. If the mirror has not seen it go, another look tells in nearly every case; the one or two round
    // trips are paid by modules that have just gone.
    const bool undecided = holds_module(mirror) && !mirror.retained;
    if (!undecided || look == kSecondLooks) return absent_in_redis(newest, wanted, *file, std::move(mirror));
  }
}

bool Resolver::holds_module(const MirrorAnswer& mirror) {
  const Kind kind = mirror.resolution.kind;
  return mirror.gap == Gap::kNone && (kind == Kind::kModule || kind == Kind::kPackage);
}

Resolution Resolver::absent_in_redis(const View& view, const Wanted& wanted, const FileInRedis& absent,
                                     MirrorAnswer mirror) const {
  if (mirror.resolution.kind == Kind::kSnapshotLost) return std::move(mirror.resolution);
  const bool held = holds_module(mirror);
  if (!held || was_deleted(absent, *view.segment, mirror.index_lost)) {
    Resolution by_redis = absent_everywhere(view, wanted);
    // A directory that Redis knows is one; whatever else the mirror has may have been lost.
    const bool lost = mirror.gap == Gap::kNone && mirror.resolution.found() && (held || !by_redis.found());
    if (!lost || !is_another_server(*view.segment)) return by_redis;
    return last_known_good(view, std::move(mirror), "Redis has been replaced or restarted, and may have lost it");
  }
  if (!vouches_for(view, *mirror.resolution.path)) {
    return last_known_good(view, std::move(mirror), "Redis no longer has it, though nobody deleted it");
  }
  counters_.add(ShimCounter::kRetainedServes);
  return std::move(mirror.resolution);
}

Resolution Resolver::absent_everywhere(const View& view, const Wanted& wanted) const {
  if (wanted.node() == nullptr) return answer(Kind::kNotFound);
  auto index = redis_.index(index_age(view));
  if (!index) return answer(Kind::kUnknown, index.error().message);
  const std::string& directory = wanted.node()->text();
  return (*index)->has_directory(directory) ? namespace_at(directory) : answer(Kind::kNotFound);
}

// Than the one that the mirror was in sync with. Such a one may lack what nobody deleted.
bool Resolver::is_another_server(const Segment& segment) const {
  const std::string known = segment.run_id();
  if (known.empty() || segment.lease_valid(boot_now())) return false;
  const auto answering = redis_.run_id();
  return answering && !answering->empty() && *answering != known;
}

bool Resolver::vouches_for(const View& view, ModulePathView path) const {
  return view.segment->lease_valid(boot_now()) && view.segment->synced_through() >= redis_.last_read_of(path);
}

Resolution Resolver::last_known_good(const View& view, MirrorAnswer mirror, const std::string& why_not_redis) const {
  const std::string why = explain_no_authority(view, why_not_redis);
  if (mirror.resolution.kind == Kind::kSnapshotLost) return std::move(mirror.resolution);
  switch (mirror.gap) {
    case Gap::kNone: break;
    case Gap::kNoSegment:
    case Gap::kIncomplete: return answer(Kind::kUnknown, why);
    case Gap::kNotMirrored:
    case Gap::kDamaged: return answer(Kind::kRefused, mirror.reason + "; " + why_not_redis);
  }
  if (!mirror.resolution.found()) return answer(Kind::kUnknown, why);
  if (!serve_stale_) return answer(Kind::kRefused, why + "; BIFROST_ON_STALE=error forbids the last known source");
  counters_.add(ShimCounter::kStaleServes);
  return std::move(mirror.resolution);
}

Resolution Resolver::from_file(FileInRedis file, const Wanted& wanted) {
  if (file.kind == FileInRedis::Kind::kBadValue) {
    return answer(Kind::kRefused, "the value of " + contract::key_of(*file.path) + " cannot be used: " + file.reason);
  }
  Resolution r;
  const bool package = wanted.node() != nullptr && file.path->text() != wanted.node()->file().text();
  r.kind = package ? Kind::kPackage : Kind::kModule;
  if (package) r.portions = {wanted.node()->text()};
  r.path = std::move(file.path);
  r.source = ModuleSource(std::move(file.content), std::move(file.hash), SourceOrigin::kRedis);
  return r;
}

Resolution Resolver::read_again(const Segment* newest, ModulePathView path) const {
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
  if (!file) return answer(Kind::kUnknown, unreachable(file.error().message));
  if (file->kind == FileInRedis::Kind::kAbsent) return answer(Kind::kNotFound, "Redis does not have it");
  return from_file(std::move(*file), Wanted(path));
}

Resolver::Listing Resolver::list(const View& view, const std::string& directory) const {
  Listing listing;
  if (!directory.empty() && (!ModuleNode::parse(directory) || !view.scope.admits(directory))) return listing;
  const auto hide_what_nobody_can_import = [&] {
    std::erase_if(listing.children, [&](const Child& c) {
      return !is_path_part(c.name) || (directory.empty() && c.name == contract::kSolutionsRoot);
    });
  };
  if (view.authority == Authority::kRedis) {
    if (auto index = redis_.index(index_age(view))) {
      listing.children = (*index)->children(directory);
      hide_what_nobody_can_import();
      return listing;
    }
  }
  if (view.segment == nullptr) return listing;
  const Found found = view.snapshot.find(layout::KeySpace::kNode, directory);
  if (found.status == Lookup::kHit && found.record.shape.kind != layout::RecordKind::kModule) {
    std::string body;
    const Lookup read = view.snapshot.verify(found.record, body);
    listing.snapshot_lost = read == Lookup::kGone;
    if (read == Lookup::kHit) decode_listing(Snapshot::content_in(found.record, body), listing.children);
  }
  listing.snapshot_lost |= found.status == Lookup::kGone;
  hide_what_nobody_can_import();
  return listing;
}

std::optional<std::chrono::milliseconds> Resolver::index_age(const View& view) const {
  if (view.pinned) return std::nullopt;
  return RedisFallback::kIndexAge;
}

}  // namespace bifrost
