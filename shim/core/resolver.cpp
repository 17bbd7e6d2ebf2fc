#include "shim/core/resolver.hpp"

#include <algorithm>

#include "common/redis/contract.hpp"
#include "common/redis/module_value.hpp"

namespace bifrost {
namespace {

using Kind = Resolution::Kind;
using Wanted = NodeLookup::Wanted;

// Only a file decides what a name is. A directory may be a package whose `__init__.py` Redis lacks.
bool needs_settling(const Resolution& here) {
  return here.kind == Kind::kNotFound || here.kind == Kind::kNamespace || here.kind == Kind::kUnknown;
}

// Or one that cannot be had.
bool is_file(const Resolution& here) {
  return here.kind == Kind::kModule || here.kind == Kind::kPackage || here.kind == Kind::kRefused;
}

// As on disk, a file wins over directories of its name that are searched before it. Roots do not: the next one may be
// another scope's.
bool are_of_one_root(const Scope& scope, const Resolution& name_space, const ModuleNode& node) {
  return scope.root_of(name_space.portions.front()) == scope.root_of(node.text());
}

// Of two that have one name, the one that is imported stays.
void add_children(const std::vector<Child>& more, std::vector<Child>& to) {
  to.insert(to.end(), more.begin(), more.end());
  std::sort(to.begin(), to.end(),
            [](const Child& a, const Child& b) { return a.name != b.name ? a.name < b.name : hides(a.kind, b.kind); });
  to.erase(std::unique(to.begin(), to.end(), [](const Child& a, const Child& b) { return a.name == b.name; }),
           to.end());
}

Resolution from_store(const ModuleNode& node, StoreAnswer said) {
  Resolution r;
  switch (said.kind) {
    case StoreAnswer::Kind::kAbsent: return r;
    case StoreAnswer::Kind::kNamespace: return Resolution::namespace_at(node.text());
    case StoreAnswer::Kind::kFailed:
      r = Resolution::answer(Kind::kRefused, std::move(said.reason));
      r.cause = std::move(said.cause);
      return r;
    case StoreAnswer::Kind::kModule: r.path = node.file(); break;
    case StoreAnswer::Kind::kPackage:
      r.path = node.package_file();
      r.portions = {node.text()};
      break;
  }
  if (!r.path) return Resolution::answer(Kind::kRefused, "the path of its __init__.py would be too long");
  r.kind = said.kind == StoreAnswer::Kind::kPackage ? Kind::kPackage : Kind::kModule;
  r.source = std::move(said.source);
  return r;
}

}  // namespace

Resolution Resolver::resolve(const View& view, std::span<const std::string> directories, std::string_view name,
                             Asking asking) const {
  Resolution found;
  for (const std::string& directory : directories) {
    const auto node = ModuleNode::parse(join_node(directory, name));
    if (!node || !view.scope.admits(node->text())) continue;
    Resolution here = nodes_.answer_to(view, Wanted(*node));
    if (!store_.redis_is_complete() && needs_settling(here)) here = settled(view, *node, asking, std::move(here));
    found.store_asked |= here.store_asked;
    if (here.kind == Kind::kSnapshotLost || here.kind == Kind::kUnsettled) return here;
    // What a stale mirror does not have counts as absent where it was complete: the next directory may answer.
    const bool nobody_knows = here.kind == Kind::kUnknown && !here.absent_at_last && store_.redis_is_complete();
    const bool goes_on = found.kind == Kind::kNamespace && !are_of_one_root(view.scope, found, *node);
    const bool refused_by_store = here.kind == Kind::kRefused && here.store_asked;
    here.store_asked |= found.store_asked;
    if (nobody_knows && !goes_on) {
      found = std::move(here);
      break;
    }
    if (found.kind == Kind::kNamespace) {
      if (here.kind == Kind::kNamespace) found.portions.push_back(node->text());
      // A portion that nobody can tell of may hold what a later one would answer for.
      if (refused_by_store || (is_file(here) && !goes_on)) return here;
    } else if (here.kind == Kind::kNamespace ||
               (here.absent_at_last && found.kind == Kind::kNotFound && store_.redis_is_complete())) {
      found = std::move(here);
    } else if (here.kind != Kind::kNotFound && (here.kind != Kind::kUnknown || !store_.redis_is_complete())) {
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
      return Resolution::answer(Kind::kUnknown,
                                std::string("not in Redis, which may lack it (complete=False), and there is no ") +
                                    "fallback.resolve to ask");
    }
    if (asking == Asking::kStoreSaysNo) return here.kind == Kind::kUnknown ? Resolution::answer(Kind::kNotFound) : here;
    if (asking == Asking::kNobody || !store_.may_ask()) return Resolution::answer(Kind::kUnsettled);
    said = store_.settle(view, node);
  }
  const bool failed = said->kind == StoreAnswer::Kind::kFailed && !said->misunderstood;
  Resolution by_store = from_store(node, std::move(*said));
  if (failed) by_store = nodes_.expired_body(view, node, std::move(by_store));
  // What lies below a directory proves it, whatever the store calls it.
  if (by_store.kind == Kind::kNotFound && here.kind == Kind::kNamespace) by_store = std::move(here);
  by_store.store_asked = true;
  if (!by_store.path) return by_store;
  view.takes_what_is_newest();
  return by_store;
}

Resolution Resolver::asked_last(const View& view, std::span<const std::string> directories, std::string_view name,
                                Resolution nowhere) const {
  if (!store_.may_ask()) return nowhere;
  for (const std::string& directory : directories) {
    const auto node = ModuleNode::parse(join_node(directory, name));
    if (!node || !view.scope.admits(node->text())) continue;
    Resolution here = settled(view, *node, Asking::kStore, Resolution::answer(Kind::kNotFound));
    if (here.kind != Kind::kNotFound) return here;
    nowhere.store_asked = true;
  }
  return nowhere;
}

Resolution Resolver::read_path(const View& view, ModulePathView path) const {
  if (!view.scope.admits(path.text())) return Resolution::answer(Kind::kNotFound);
  return nodes_.answer_to(view, Wanted(path));
}

std::vector<ModulePath> Resolver::places_of(const View& view, ModulePathView path) const {
  const std::string* inside = view.scope.root_of(path.text());
  const bool is_place = inside != nullptr && !inside->empty();
  std::vector<ModulePath> places;
  for (const std::string& root : is_place ? std::vector<std::string>{""} : view.scope.roots()) {
    auto place = ModulePath::parse(join_node(root, path.text()));
    if (place && view.scope.admits(place->text())) places.push_back(std::move(*place));
  }
  return places;
}

Resolution Resolver::find_path(const View& view, ModulePathView path) const {
  Resolution last = Resolution::answer(Kind::kNotFound);
  for (const ModulePath& place : places_of(view, path)) {
    Resolution here = nodes_.answer_to(view, Wanted(place));
    const bool may_lack = here.kind == Kind::kNotFound || here.kind == Kind::kUnknown;
    if (may_lack && store_.has_store()) here = settled_path(view, place, std::move(here));
    if (may_lack && !store_.has_store() && !store_.redis_is_complete()) here.kind = Kind::kUnknown;
    const std::string directory(view.scope.node_of(place));
    if (here.kind == Kind::kModule && directory + std::string(paths::kSuffix) != place.text()) {
      here.kind = Kind::kPackage;
      here.portions = {directory};
    }
    if (here.kind != Kind::kNotFound && here.kind != Kind::kUnknown) return here;
    if (here.kind == Kind::kUnknown && !(here.absent_at_last && store_.redis_is_complete())) return here;
    if (here.kind == Kind::kUnknown) last = std::move(here);
  }
  return last;
}

Resolver::Questions Resolver::questions_by_name(const View& view, std::span<const std::string> directories,
                                                std::string_view name) const {
  Questions questions;
  for (const std::string& directory : directories) {
    const auto node = ModuleNode::parse(join_node(directory, name));
    if (!node || !view.scope.admits(node->text())) continue;
    if (auto question = nodes_.question_about(view, Wanted(*node))) questions.push_back(std::move(*question));
  }
  return questions;
}

Resolver::Questions Resolver::questions_by_path(const View& view, ModulePathView path) const {
  Questions questions;
  if (!view.scope.admits(path.text())) return questions;
  if (auto question = nodes_.question_about(view, Wanted(path))) questions.push_back(std::move(*question));
  return questions;
}

Resolver::Questions Resolver::questions_by_place(const View& view, ModulePathView path) const {
  Questions questions;
  for (const ModulePath& place : places_of(view, path)) {
    if (auto question = nodes_.question_about(view, Wanted(place))) questions.push_back(std::move(*question));
  }
  return questions;
}

bool Resolver::witness_path(const View& view, ModulePathView path, std::vector<SlotWitness>& to) const {
  for (const ModulePath& place : places_of(view, path)) {
    if (!witness_key(view, layout::KeySpace::kFile, place.text(), to)) return false;
    if (view.snapshot.find_file(place.text()).status == Lookup::kHit) return true;
    if (store_.has_store() || !store_.redis_is_complete()) return false;  // others decide
  }
  return true;
}

Resolution Resolver::settled_path(const View& view, ModulePathView path, Resolution here) const {
  const auto node = ModuleNode::parse(std::string(view.scope.node_of(path)));
  if (!node) return here;
  Resolution said = settled(view, *node, Asking::kStore, Resolution::answer(Kind::kNotFound));
  // A package of that name is another file.
  if (said.found() && (!said.path || said.path->text() != path.text())) return Resolution::answer(Kind::kNotFound);
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
    if (node->names_init()) return false;  // no slot of a node leads to it
    const FoundNode found = view.snapshot.find_node(node->text());
    if (found.status != Lookup::kHit && found.status != Lookup::kMiss) return false;
    const auto hash = layout::hash_key(layout::KeySpace::kNode, node->text());
    const Address hit = found.status == Lookup::kHit ? found.node.address : Address();
    if (!witness_slots(memory, view.snapshot, hash, hit, to)) return false;
    const bool is_file = found.status == Lookup::kHit && found.node.shape.kind != layout::RecordKind::kNamespace;
    // Where others decide about what is no file, the search ended here if they were not asked.
    const bool others_decide = !store_.redis_is_complete() && !is_file && asking != Asking::kStoreSaysNo;
    if (others_decide) return asking == Asking::kNobody;
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

Resolver::Listing Resolver::list(const View& view, const std::string& directory) const {
  Listing listing;
  if (!directory.empty() && (!ModuleNode::parse(directory) || !view.scope.admits(directory))) return listing;
  const auto hide_what_nobody_can_import = [&] {
    std::erase_if(listing.children, [&](const Child& c) {
      return !is_path_part(c.name) || (directory.empty() && c.name == contract::kSolutionsRoot);
    });
  };
  std::string why_not_redis = view.why_not_redis;
  if (view.authority == Authority::kRedis) {
    auto index = nodes_.index(view);
    if (index) {
      listing.children = (*index)->children(directory);
      hide_what_nobody_can_import();
      return listing;
    }
    why_not_redis = index.error().message;
  }
  if (view.segment == nullptr) {
    listing.unknown = explain_no_authority(view, unreachable(why_not_redis));
    return listing;
  }
  if (view.authority != Authority::kMirror && !nodes_.try_to_serve_stale()) {
    listing.unknown = explain_no_authority(view, unreachable(why_not_redis)) +
                      "; BIFROST_ON_STALE=error forbids the last known listing";
    return listing;
  }
  const Found found = view.snapshot.find(layout::KeySpace::kNode, directory);
  Lookup read = found.status;
  if (read == Lookup::kHit && found.record.shape.kind != layout::RecordKind::kModule) {
    std::string body;
    read = view.snapshot.verify(found.record, body);
    if (read == Lookup::kHit) decode_listing(Snapshot::content_in(found.record, body), listing.children);
  }
  listing.snapshot_lost = read == Lookup::kGone;
  const bool damaged = read != Lookup::kHit && read != Lookup::kMiss && read != Lookup::kGone;
  if (damaged) nodes_.count_damaged();
  if (damaged || (view.authority == Authority::kMirror && !view.complete)) {
    if (auto index = nodes_.index(view)) {
      add_children((*index)->children(directory), listing.children);
    } else {
      listing.unknown = std::string(damaged ? "its listing in the mirror is damaged" : "the mirror is not complete") +
                        "; " + unreachable(index.error().message);
    }
  }
  hide_what_nobody_can_import();
  return listing;
}

}  // namespace bifrost
