// successor.hpp - an agent takes over what another has left in a directory, by the calls of agent/mirror/adoption.cpp.
#pragma once

#include <memory>

#include "common/base/result.hpp"
#include "common/writer/segment_writer.hpp"

namespace bifrost::store_log {

struct Succession {
  std::unique_ptr<SegmentWriter> writer;
  std::uint64_t damaged = 0;  // slots whose record was left behind
};

// The writer has published its root. Errors: as Segment::attach() and SegmentWriter::succeed().
Result<Succession> succeed(const StoreOptions& options);

}  // namespace bifrost::store_log
