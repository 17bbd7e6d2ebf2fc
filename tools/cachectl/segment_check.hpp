// segment_check.hpp - everything in a segment that could contradict itself, looked at, at one generation.
//
// (C1) Every slot leads to a record within bounds, whose checksum holds, and which a lookup of its key finds again.
// (C2) Every file has a path that a module can have. Every module and package name leads to the file that it is named
// after, and every file has its name. (C3) Directory listings and names agree: what is listed exists with that kind,
// what exists is listed. A segment that is not complete may lack any name; what it has says nothing wrong.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "common/reader/segment.hpp"

namespace bifrost::cachectl {

struct Finding {
  std::string key;  // storage path, import name with slashes, or slot number
  std::string what;
};

struct CheckReport {
  Generation generation;
  bool complete = true;        // else names that are not there are no contradiction
  std::uint64_t records = 0;   // of any kind, deletions included
  std::uint64_t modules = 0;   // files that exist, mirrored or not
  std::uint64_t variants = 0;  // compiled code
  std::uint64_t names = 0;     // import names: modules, packages, namespaces
  std::uint64_t bytes = 0;     // checked
  std::uint64_t contradictions = 0;
  std::vector<Finding> findings;  // the first kMaxFindings of them

  static constexpr std::size_t kMaxFindings = 1000;
};

class SegmentCheck {
 public:
  // `snapshot` is one of `segment`, which outlives this.
  SegmentCheck(const Segment& segment, const Snapshot& snapshot) : segment_(segment), snapshot_(snapshot) {
    report_.generation = snapshot.generation();
    report_.complete = segment.complete(snapshot.generation());
  }

  // kHit when everything was looked at, kGone when the report means nothing: start again. `on_slot` is called
  // before each of the snapshot's slots.
  Lookup run(const std::function<void(SlotNumber)>& on_slot);
  // One of its steps: what at_slot() answered for that slot. The agent may have moved the record since.
  Lookup check_record(SlotNumber slot, const RecordRef& record);
  const CheckReport& report() const { return report_; }

 private:
  Lookup check_slot(SlotNumber slot);
  Lookup check_file(const RecordRef& record, const std::string& path);
  Lookup check_code(const RecordRef& record, const std::string& path);
  Lookup check_node(const RecordRef& record, const std::string& name, std::string_view content);
  Lookup check_listing(const std::string& name, std::string_view content);
  Lookup check_everything_is_listed();
  void find_fault(std::string key, std::string what);
  void find_no_name(std::string key, std::string what);

  const Segment& segment_;
  Snapshot snapshot_;
  CheckReport report_;
  std::string body_;                        // of the record at hand
  std::unordered_set<std::string> listed_;  // full names in any listing
  std::vector<std::string> existing_;       // names of nodes that exist, but the root's
};

}  // namespace bifrost::cachectl
