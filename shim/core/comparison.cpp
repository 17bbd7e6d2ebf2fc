#include "shim/core/comparison.hpp"

#include <algorithm>
#include <utility>

#include "shim/core/standing.hpp"

namespace bifrost {
namespace {

std::string_view last_part(std::string_view name) {
  return name.substr(name.rfind('.') + 1);
}

constexpr layout::Checksum kCannotBeHad{~layout::Word{0}, ~layout::Word{0}};

}  // namespace

layout::Checksum file_digest(const Resolution& file) {
  if (file.found()) return file.source.digest;
  return file.absent() ? layout::Checksum() : kCannotBeHad;
}

layout::Checksum listing_digest(const Resolver::Listing& listing) {
  if (!listing.unknown.empty()) return kCannotBeHad;
  std::vector<Child> children = listing.children;
  std::sort(children.begin(), children.end(), [](const Child& a, const Child& b) { return a.name < b.name; });
  std::string text;
  for (const Child& child : children) append_child(text, child.name, child.kind);
  return layout::content_digest(text);
}

Comparison::Comparison(const View& view, const LoadedModules& loaded, const NodeLookup& nodes, StoreFallback& store,
                       RedisFallback& redis)
    : view_(view), modules_(loaded), loaded_(loaded.all()), ahead_(redis), resolver_(nodes.asking_by(ahead_), store) {
  if (speaks_for_itself(view)) witnessed_.emplace();
}

bool Comparison::finds_everything_the_same() {
  const AskedOtherwise asked = modules_.asked();
  expect_questions(asked);
  for (const auto& [name, module] : loaded_) {
    if (!finds_the_same(name, module)) return false;
  }
  return finds_the_same_answers(asked);
}

const std::vector<std::string>* Comparison::directories_of(const std::string& name, const LoadedModule& module) const {
  if (!module.found->searched.empty()) return &module.found->searched;
  const auto dot = name.rfind('.');
  if (dot == std::string::npos) return &view_.scope.roots();
  const auto parent = loaded_.find(std::string_view(name).substr(0, dot));
  return parent == loaded_.end() ? nullptr : &parent->second.found->portions;
}

bool Comparison::finds_the_same(const std::string& name, const LoadedModule& module) {
  // What the host's callable returned cannot be compared with anything.
  if (module.origin == SourceOrigin::kCallable && !module.is_namespace()) return false;
  if (!module.found->asked_path.empty()) return finds_the_same_by_path(module);
  const auto* directories = directories_of(name, module);
  if (directories == nullptr) return false;
  const std::string_view last = last_part(name);
  const Resolution now = resolver_.resolve(view_, *directories, last, Asking::kStore);
  if (!module.same_as(now)) return false;
  const bool from_segment = module.is_namespace() || now.source.origin == SourceOrigin::kSegment;
  if (witnessed_) {
    keep_witnesses_if(from_segment && resolver_.witness_name(view_, *directories, last, Asking::kStore, *witnessed_));
  }
  return true;
}

// Whatever its name would mean to an import.
bool Comparison::finds_the_same_by_path(const LoadedModule& module) {
  const auto path = ModulePathView::parse(module.found->asked_path);
  if (!path) return false;
  const Resolution now = resolver_.find_path(view_, *path);
  if (!module.same_as(now)) return false;
  const bool from_segment = now.source.origin == SourceOrigin::kSegment;
  if (witnessed_) keep_witnesses_if(from_segment && resolver_.witness_path(view_, *path, *witnessed_));
  return true;
}

bool Comparison::finds_the_same_answers(const AskedOtherwise& asked) {
  for (const auto& [name, module] : asked.found) {
    if (!finds_the_same(name, module)) return false;
  }
  if (asked.incomparable) return false;
  for (const auto& [absent, answer] : asked.absent) {
    const auto& [directories, name] = absent;
    const bool store_asked = answer.asked == Asking::kStore;
    const Resolution now = resolver_.resolve(view_, directories, name, answer.asked);
    if (now.found() || now.absent() != answer.known) return false;
    // The store's silence is not its word.
    if (store_asked && now.kind != Resolution::Kind::kNotFound) return false;
    if (witnessed_) {
      keep_witnesses_if(!store_asked && resolver_.witness_name(view_, directories, name, answer.asked, *witnessed_));
    }
  }
  for (const auto& [directory, digest] : asked.listed) {
    const Resolver::Listing listing = resolver_.list(view_, directory);
    if (listing.snapshot_lost || listing_digest(listing) != digest) return false;
    if (witnessed_) {
      keep_witnesses_if(resolver_.witness_key(view_, layout::KeySpace::kNode, directory, *witnessed_));
    }
  }
  for (const auto& [path, digest] : asked.sought) {
    const auto module = ModulePathView::parse(path);
    if (!module || file_digest(resolver_.find_path(view_, *module)) != digest) return false;
    if (witnessed_) keep_witnesses_if(resolver_.witness_path(view_, *module, *witnessed_));
  }
  for (const auto& [path, digest] : asked.read) {
    const auto module = ModulePathView::parse(path);
    if (!module || file_digest(resolver_.read_path(view_, *module)) != digest) return false;
    if (witnessed_) keep_witnesses_if(resolver_.witness_key(view_, layout::KeySpace::kFile, path, *witnessed_));
  }
  return true;
}

// In the order in which they come up.
void Comparison::expect_questions(const AskedOtherwise& asked) {
  if (speaks_for_itself(view_)) return;
  for (const auto& [name, module] : loaded_) expect_questions_about(name, module);
  for (const auto& [name, module] : asked.found) expect_questions_about(name, module);
  for (const auto& [absent, answer] : asked.absent) {
    expect(resolver_.questions_by_name(view_, absent.directories, absent.name));
  }
  for (const auto& [path, digest] : asked.sought) {
    if (const auto module = ModulePathView::parse(path)) expect(resolver_.questions_by_place(view_, *module));
  }
  for (const auto& [path, digest] : asked.read) {
    if (const auto module = ModulePathView::parse(path)) expect(resolver_.questions_by_path(view_, *module));
  }
}

void Comparison::expect_questions_about(const std::string& name, const LoadedModule& module) {
  if (!module.found->asked_path.empty()) {
    const auto path = ModulePathView::parse(module.found->asked_path);
    if (path) expect(resolver_.questions_by_place(view_, *path), &module);
  } else if (const auto* directories = directories_of(name, module)) {
    expect(resolver_.questions_by_name(view_, *directories, last_part(name)), &module);
  }
}

void Comparison::expect(Resolver::Questions questions, const LoadedModule* module) {
  for (std::vector<ModulePath>& paths : questions) {
    const bool is_its_own =
        module != nullptr && module->found->path && std::ranges::find(paths, *module->found->path) != paths.end();
    ahead_.expect(std::move(paths), is_its_own ? module->found->source.content_bytes() : 0);
    if (is_its_own) break;  // the search ends there
  }
}

}  // namespace bifrost
