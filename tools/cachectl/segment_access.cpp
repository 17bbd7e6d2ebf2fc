#include "tools/cachectl/segment_access.hpp"

#include <poll.h>

#include "tools/cachectl/health.hpp"
#include "tools/cachectl/output.hpp"

namespace bifrost::cachectl {

Result<std::shared_ptr<const Segment>> attach_segment(const Settings& settings) {
  const auto trust = trust_of(settings);
  if (!trust) return trust.error();
  return Segment::attach(settings.get(Setting::kSegmentDir), *trust);
}

Result<std::shared_ptr<const Segment>> attach_segment(const Context& context) {
  constexpr int kPauseMs = 20;
  const Deadline deadline(context.patience);
  while (true) {
    auto segment = attach_segment(context.settings);
    if (segment || segment.error().code != ErrorCode::kNotFound || deadline.passed()) return segment;
    ::poll(nullptr, 0, kPauseMs);
  }
}

Result<std::shared_ptr<const Segment>> attach_for_reading(const Context& context) {
  auto segment = attach_segment(context);
  if (!segment) return segment;
  const Health health = assess((*segment)->info(), boot_now());
  if (!health.ready && !health.problems.empty()) say("this may not be current: " + health.problems.front().what);
  return segment;
}

}  // namespace bifrost::cachectl
