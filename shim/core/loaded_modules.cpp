#include "shim/core/loaded_modules.hpp"

#include <algorithm>

namespace bifrost {

bool LoadedModule::same_as(const Resolution& now) const {
  if (found->kind != now.kind || found->path != now.path || found->portions != now.portions) return false;
  if (is_namespace()) return true;
  if (found->source.digest != now.source.digest) return false;
  // The platform's store need not know the token that its writer has put into Redis.
  const bool by_store = found->source.origin == SourceOrigin::kStore || now.source.origin == SourceOrigin::kStore;
  return by_store || found->source.hash == now.source.hash;
}

bool LoadedModule::same_search_as(const Resolution& other) const {
  return found->searched == other.searched && found->asked_path == other.asked_path;
}

void LoadedModules::add(std::string_view name, LoadedModule module) {
  const std::lock_guard lock(mutex_);
  const auto [first, last] = asked_.found.equal_range(name);
  const auto known =
      std::find_if(first, last, [&](const auto& f) { return is_answer_to_same(f.second, *module.found); });
  if (known != last) asked_.found.erase(known);
  const auto before = modules_.find(name);
  const bool was_missed = forget_missed(name);
  if (before == modules_.end()) {
    modules_.emplace(name, std::move(module));
  } else {
    // Others may have something of the one before, unless all of them were evicted with it.
    if (!was_missed && !is_answer_to_same(before->second, *module.found)) {
      keep_places_below(name, before->second.found->portions);
      keep_found(name, std::move(before->second));
    }
    before->second = std::move(module);
  }
  changed();
}

void LoadedModules::note_outlived(std::string_view module) {
  const std::lock_guard lock(mutex_);
  if (!outlived_) outlived_ = {std::string(module), boot_now()};
}

std::optional<LoadedModules::Outlived> LoadedModules::outlived() const {
  const std::lock_guard lock(mutex_);
  return outlived_;
}

bool LoadedModules::is_answer_to_same(const LoadedModule& module, const Resolution& other) {
  if (!module.same_search_as(other)) return false;
  if (!module.same_as(other)) make_incomparable();
  return true;
}

void LoadedModules::keep_places_below(std::string_view package, const std::vector<std::string>& directories) {
  const std::string below = std::string(package) + ".";
  const auto keep = [&](auto& modules) {
    for (auto it = modules.lower_bound(below); it != modules.end() && it->first.starts_with(below); ++it) {
      LoadedModule& module = it->second;
      const bool by_parent = it->first.find('.', below.size()) == std::string::npos && module.found->searched.empty() &&
                             module.found->asked_path.empty();
      if (!by_parent) continue;
      Resolution placed = *module.found;
      placed.searched = directories;
      module.found = std::make_shared<const Resolution>(std::move(placed));
    }
  };
  keep(modules_);
  keep(asked_.found);
}

void LoadedModules::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = modules_.find(name);
  if (found == modules_.end()) return;
  forget_missed(name);
  modules_.erase(found);
  changed();
}

void LoadedModules::note_replaced(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = modules_.find(name);
  if (found == modules_.end()) return;
  const bool was_missed = forget_missed(name);
  LoadedModule module = std::move(found->second);
  modules_.erase(found);
  changed();
  if (was_missed) return;  // those who had something of it were evicted
  keep_places_below(name, module.found->portions);
  keep_found(name, std::move(module));
  any_replaced_ = true;
}

bool LoadedModules::forget_missed(std::string_view name) {
  const auto found = missed_.find(name);
  if (found == missed_.end()) return false;
  missed_.erase(found);
  return true;
}

void LoadedModules::miss(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = modules_.find(name);
  if (found == modules_.end()) return;
  if (missed_.emplace(name).second) return;
  forget_missed(name);
  modules_.erase(found);
  changed();
}

LoadedModules::Map LoadedModules::missed() const {
  Map missed;
  const std::lock_guard lock(mutex_);
  for (const std::string& name : missed_) missed.insert(*modules_.find(name));
  return missed;
}

LoadedModules::Map LoadedModules::all() const {
  const std::lock_guard lock(mutex_);
  return modules_;
}

bool LoadedModules::none_run() const {
  const std::lock_guard lock(mutex_);
  return modules_.empty() && kept_.size() == 0 && !outlived_ && !any_replaced_;
}

bool LoadedModules::empty() const {
  const std::lock_guard lock(mutex_);
  return modules_.empty() && kept_.size() == 0 && asked_.found.empty() && !asked_.incomparable && !outlived_;
}

bool LoadedModules::is_package_in(std::string_view name, std::span<const std::string> directories) const {
  const std::lock_guard lock(mutex_);
  const auto found = modules_.find(name);
  return found != modules_.end() && std::ranges::equal(found->second.found->portions, directories);
}

bool LoadedModules::has_room() {
  if (asked_.size() < kMostAsked) return true;
  make_incomparable();
  return false;
}

void LoadedModules::make_incomparable() {
  if (!std::exchange(asked_.incomparable, true)) changed();
}

void LoadedModules::note_absent(std::span<const std::string> directories, std::string_view name,
                                const Resolution& answer) {
  AskedOtherwise::Absent absent{{directories.begin(), directories.end()}, std::string(name)};
  const AskedOtherwise::NotFound now{answer.store_asked ? Asking::kStore : Asking::kNobody, answer.absent()};
  const std::lock_guard lock(mutex_);
  const auto before = asked_.absent.find(absent);
  if (before != asked_.absent.end()) {
    if (before->second.known != now.known) make_incomparable();
    if (before->second.asked == now.asked || now.asked == Asking::kNobody) return;
    before->second = now;
  } else {
    if (!has_room()) return;
    asked_.absent.emplace(std::move(absent), now);
  }
  changed();
}

void LoadedModules::note_listing(const std::string& directory, const layout::Checksum& digest) {
  note(asked_.listed, directory, digest);
}

void LoadedModules::note_read(std::string_view path, const layout::Checksum& digest) {
  note(asked_.read, path, digest);
}

void LoadedModules::note_sought(std::string_view path, const layout::Checksum& digest) {
  note(asked_.sought, path, digest);
}

void LoadedModules::note(std::map<std::string, layout::Checksum>& asked, std::string_view path,
                         const layout::Checksum& digest) {
  const std::string key(path);
  const std::lock_guard lock(mutex_);
  const auto found = asked.find(key);
  if (found != asked.end()) {
    if (found->second != digest) make_incomparable();
    return;
  }
  if (!has_room()) return;
  asked.emplace(key, digest);
  changed();
}

void LoadedModules::note_found(std::string_view name, std::shared_ptr<const Resolution> found) {
  const std::lock_guard lock(mutex_);
  const auto loaded = modules_.find(name);
  const bool stands = loaded != modules_.end() && !missed_.contains(name);
  if (!stands || !is_answer_to_same(loaded->second, *found)) keep_found(name, LoadedModule(std::move(found)));
}

void LoadedModules::keep_found(std::string_view name, LoadedModule module) {
  const auto [first, last] = asked_.found.equal_range(name);
  const auto same = [&](const auto& known) { return is_answer_to_same(known.second, *module.found); };
  if (std::any_of(first, last, same) || !has_room()) return;
  asked_.found.emplace(name, std::move(module));
  changed();
}

AskedOtherwise LoadedModules::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

void LoadedModules::keep_asked() {
  const std::lock_guard lock(mutex_);
  for (auto& [name, answer] : asked_.absent) {
    // What it could not say makes a difference, once it can.
    if (answer.known && answer.asked == Asking::kStore) answer.asked = Asking::kStoreSaysNo;
  }
  kept_ = asked_;
}

void LoadedModules::keep_no_more() {
  const std::lock_guard lock(mutex_);
  kept_ = {};
}

void LoadedModules::forget_asked() {
  const std::lock_guard lock(mutex_);
  times_forgotten_.fetch_add(1, std::memory_order_relaxed);
  outlived_.reset();
  any_replaced_ = false;
  if (asked_.size() == kept_.size() && asked_.incomparable == kept_.incomparable) return;
  asked_ = kept_;
  changed();
}

bool LoadedModules::has_news() {
  const std::lock_guard lock(mutex_);
  return std::exchange(told_version_, version()) != version();
}

std::set<std::string> LoadedModules::left_behind() const {
  const std::lock_guard lock(mutex_);
  return left_behind_;
}

void LoadedModules::leave_behind(std::set<std::string> submodules) {
  const std::lock_guard lock(mutex_);
  left_behind_ = std::move(submodules);
}

std::vector<std::string> LoadedModules::left_behind_of(std::string_view package) const {
  const std::string below = std::string(package) + ".";
  std::vector<std::string> submodules;
  const std::lock_guard lock(mutex_);
  for (auto it = left_behind_.lower_bound(below); it != left_behind_.end() && it->starts_with(below); ++it) {
    if (it->find('.', below.size()) == std::string::npos) submodules.push_back(*it);
  }
  return submodules;
}

}  // namespace bifrost
