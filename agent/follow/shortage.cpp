#include "agent/follow/shortage.hpp"

#include <utility>

#include "agent/loop/log.hpp"

namespace bifrost::agent {
namespace {

const char* consequence_of(Shortage shortage) {
  switch (shortage) {
    case Shortage::kOfChanges: return "a change waits for room: no lease until it has found some";
    case Shortage::kOfNames: return "workers ask Redis about every name that they do not find";
    default: return "workers ask Redis for what does not fit";
  }
}

}  // namespace

void ShortageReport::note(Shortage now, bool complete, const SegmentWriter& writer) {
  if (std::exchange(said_, now) == now || now == Shortage::kNone) return;
  log::warn("segment_full", {{"modules", writer.modules()},
                             {"without_room", writer.without_room()},
                             {"complete", complete ? "yes" : "no"},
                             {"then", consequence_of(now)},
                             {"do", "raise --max-size, or enlarge the file system"}});
}

}  // namespace bifrost::agent
