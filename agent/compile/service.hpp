// service.hpp - has every mirrored source compiled once per interpreter, and the code hung on its record. The entrance
// to this room: a lane per interpreter, which has a queue, and a helper process that compiles.
//
// Hears which paths have a new version, and attaches code through the writer. Belongs to the loop's thread.
// (S1) Source is visible at once and code follows: no reader, commit or lease ever waits for a compiler.
// (S2) Nothing of what is mirrored runs in this process, nor in a helper: it is compiled only, elsewhere, with limits.
// (S3) No two lanes make code for the same interpreter tag.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/compile/lane.hpp"

namespace bifrost::agent {

class CompileService {
 public:
  // One lane per distinct interpreter tag: a second name for the same interpreter is noticed and ends. `want_all` calls
  // want() for every source: an interpreter has been replaced by another.
  CompileService(uv_loop_t* loop, CompileOptions options, SegmentWriter& writer, std::function<void()> want_all);

  // The newest version of `path` may lack code. Cheap when it does not.
  void want(ModulePathView path, std::uint64_t source_bytes, CompileQueue::Urgency urgency);

  // Modules that wait or are being compiled, over all interpreters.
  std::size_t waiting() const;

  // One per interpreter that was named.
  std::vector<CompileLane::Report> interpreters() const;
  // What does not compile now.
  std::vector<CompileFailures::Failure> failures();
  bool more_failures() const { return failures_.more(); }

 private:
  struct Claimed {
    std::size_t lane;
    CompileHelper::Identity identity;  // what it makes
  };
  bool claim(std::size_t lane, const CompileHelper::Identity* identity);

  const CompileOptions options_;
  SegmentWriter& writer_;
  const std::function<void()> want_all_;
  CompileFailures failures_;
  std::vector<std::unique_ptr<CompileLane>> lanes_;
  std::vector<Claimed> claims_;
};

}  // namespace bifrost::agent
