// adoption.hpp - takes over what the agent before has left, without copying a record.
//
// Walks the published generation of its root as any reader would, verifies the checksum of each record and of its code,
// and lets the writer lead to what is sound. What is not is left for Redis to supply. In slices: the loop goes on.
// One thread; the caller holds the directory's lock.
// (A1) Nothing is served through the new root that has not been verified here.
// (A2) Until the new root is published, readers use the old one, and nothing of it has changed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/mirror/mirror.hpp"
#include "common/reader/segment.hpp"
#include "common/writer/segment_writer.hpp"

namespace bifrost::agent {

class Adoption {
 public:
  struct Tally {
    std::uint64_t modules = 0;
    std::uint64_t damaged = 0;  // or in chunks that are not there any more
    std::uint64_t code = 0;     // compiled variants
    std::uint64_t refused = 0;  // under paths that no module can have
    std::uint64_t without_room = 0;
  };

  // A writer that goes on in the store of `old`. If that is a copy from before `reached`, its content becomes a new
  // generation behind that, without history: the numbers between mean other states to whoever has seen them. If it may
  // take less than the agent before might, chunks that are too many are given up, history and the oldest first: what
  // was in them comes from Redis again, as far as there is room. Errors: as SegmentWriter::succeed().
  static Result<std::unique_ptr<SegmentWriter>> writer_for(const Segment& old, const StoreOptions& options,
                                                           Generation reached, std::size_t& chunks_given_up);

  // `writer` came from writer_for(), and is the mirror's.
  Adoption(std::shared_ptr<const Segment> old, Mirror& mirror, SegmentWriter& writer);

  // One slice, of a few milliseconds. True when everything has been looked at.
  bool step();
  // After that: publishes the root, and retires the old one. Errors: as SegmentWriter::publish().
  Status finish();

  const Tally& tally() const { return tally_; }

 private:
  bool has_looked_at_all() const { return newer_.value == 0 && next_.value == snapshot_.slot_count(); }
  void look_at(SlotNumber slot);
  bool code_is_sound(const RecordRef& record, std::string_view path);

  std::shared_ptr<const Segment> old_;
  Snapshot snapshot_;
  Mirror& mirror_;
  SegmentWriter& writer_;
  std::vector<CodeTag> tags_;  // that the agent before made itself
  SlotNumber next_;
  Address newer_;  // adopted; what came before it is looked at next
  std::uint64_t slice_bytes_ = 0;
  std::string body_;
  std::string code_;
  Tally tally_;
};

}  // namespace bifrost::agent
