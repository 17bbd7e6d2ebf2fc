#include "shim/core/loaded_modules.hpp"

namespace bifrost {

bool LoadedModule::same_as(const Resolution& now) const {
  if (found->kind != now.kind || found->path != now.path || found->portions != now.portions) return false;
  if (is_namespace()) return true;
  return found->source.hash == now.source.hash && found->source.digest == now.source.digest;
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
