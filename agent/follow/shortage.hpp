// shortage.hpp - what a mirror has no room for, and when that is said.
#pragma once

#include "common/writer/segment_writer.hpp"

namespace bifrost::agent {

enum class Shortage {
  kNone,
  kOfModules,  // they are "not mirrored"
  kOfNames,    // nor are their names there: a miss is no answer
  kOfChanges,  // an old version is still visible: no lease
};

// Says what there is no room for, once for each kind while it lasts.
class ShortageReport {
 public:
  // `complete`: a miss is an answer.
  void note(Shortage now, bool complete, const SegmentWriter& writer);

 private:
  Shortage said_ = Shortage::kNone;
};

}  // namespace bifrost::agent
