// loaded_modules.hpp - the workspace modules that this process has loaded, and whether they are still what a new view
// says they are. Concurrency: any thread.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "shim/resolution.hpp"

namespace bifrost {

struct LoadedModule {
  Resolution::Kind kind = Resolution::Kind::kModule;
  std::string path;                   // storage path; "" for a namespace
  std::vector<std::string> portions;  // of a package or namespace
  std::string hash;
  Generation generation;
  SourceOrigin origin = SourceOrigin::kSegment;
  layout::Checksum digest;

  static LoadedModule from(const Resolution& resolution);
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
