// failures.hpp - which modules do not compile now, and why: what `status`, `show` and `list` tell. One thread.
//
// A failure belongs to one version of a source. It goes when that version is replaced, removed, or compiles after all.
// (X1) No more than kMost modules are known by name; beyond that, only that there are more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/base/module_path.hpp"
#include "common/layout/key_hash.hpp"

namespace bifrost::agent {

class CompileFailures {
 public:
  static constexpr std::size_t kMost = 1000;

  struct Failure {
    std::string path;
    std::string tag;         // of the interpreter
    std::uint64_t line = 0;  // 0: not known
    std::string message;
  };
  // Whether this is still the digest of the newest source under `path`.
  using IsNewest = std::function<bool(const std::string& path, const layout::Checksum& digest)>;

  void note(Failure failure, const layout::Checksum& digest);
  void forget(ModulePathView path, const std::string& tag);

  // By path, then tag; forgets what is not true any more.
  std::vector<Failure> now(const IsNewest& is_newest);
  // Some did not fit. True until now() finds room again.
  bool more() const { return more_; }

 private:
  struct Entry {
    Failure failure;
    layout::Checksum digest;
  };
  std::map<std::pair<std::string, std::string>, Entry> entries_;  // by path and tag
  bool more_ = false;
};

}  // namespace bifrost::agent
