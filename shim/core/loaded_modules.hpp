// loaded_modules.hpp - the workspace modules that this process has loaded, and whether they are still what a new view
// says they are. Concurrency: any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "shim/core/resolution.hpp"

namespace bifrost {

struct LoadedModule {
  std::shared_ptr<const Resolution> found;  // the loader's own: a worker has thousands of these
  SourceOrigin origin;                      // what was run, which may be code made of the source that was found

  explicit LoadedModule(std::shared_ptr<const Resolution> resolution)
      : found(std::move(resolution)), origin(found->source.origin) {}
  LoadedModule(std::shared_ptr<const Resolution> resolution, SourceOrigin executed)
      : found(std::move(resolution)), origin(executed) {}

  bool is_namespace() const { return found->kind == Resolution::Kind::kNamespace; }
  // Whether `now` would load the same thing. Only the fallback callable's modules cannot be shown to be the same.
  bool same_as(const Resolution& now) const;
};

class LoadedModules {
 public:
  using Map = std::map<std::string, LoadedModule, std::less<>>;

  void add(std::string_view name, LoadedModule module);
  void remove(std::string_view name);
  // Parents sort before their children.
  Map all() const;

 private:
  mutable std::mutex mutex_;
  Map modules_;
};

}  // namespace bifrost
