#include "shim/loaded_modules.hpp"

namespace bifrost {

LoadedModule LoadedModule::from(const Resolution& r) {
  LoadedModule m;
  m.kind = r.kind;
  m.path = r.path;
  m.portions = r.portions;
  if (r.kind != Resolution::Kind::kNamespace) {
    m.hash = r.source.hash;
    m.generation = r.source.generation;
    m.origin = r.source.origin;
    m.digest = r.source.digest;
  }
  return m;
}

bool LoadedModule::same_as(const Resolution& now) const {
  if (kind != now.kind || path != now.path || portions != now.portions) return false;
  if (kind == Resolution::Kind::kNamespace) return true;
  return hash == now.source.hash && digest == now.source.digest;
}

void LoadedModules::add(std::string_view name, LoadedModule module) {
  const std::lock_guard lock(mutex_);
  modules_.insert_or_assign(std::string(name), std::move(module));
}

void LoadedModules::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto found = modules_.find(name); found != modules_.end()) modules_.erase(found);
}

LoadedModules::Map LoadedModules::all() const {
  const std::lock_guard lock(mutex_);
  return modules_;
}

}  // namespace bifrost
