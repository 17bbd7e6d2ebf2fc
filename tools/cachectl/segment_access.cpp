#include "tools/cachectl/segment_access.hpp"

#include <poll.h>
#include <sys/types.h>

#include <charconv>
#include <string>

#include "tools/cachectl/health.hpp"
#include "tools/cachectl/interruption.hpp"
#include "tools/cachectl/output.hpp"

namespace bifrost::cachectl {

Result<std::shared_ptr<const Segment>> attach_segment(const Settings& settings) {
  Trust trust;
  const std::string& uid = settings.get(Setting::kAgentUid);
  if (!uid.empty()) {
    uid_t number = 0;
    const auto [end, err] = std::from_chars(uid.data(), uid.data() + uid.size(), number);
    if (err != std::errc() || end != uid.data() + uid.size()) {
      return Error{ErrorCode::kInvalidArgument,
                   settings.entry(Setting::kAgentUid).origin + ": `" + uid + "` is not a numeric user id"};
    }
    trust.agent_uid = number;
  }
  return Segment::attach(settings.get(Setting::kSegmentDir), trust);
}

Result<std::shared_ptr<const Segment>> attach_segment(const Context& context) {
  constexpr int kPauseMs = 20;
  const Deadline deadline(context.patience);
  while (true) {
    auto segment = attach_segment(context.settings);
    if (segment || segment.error().code != ErrorCode::kNotFound || deadline.passed() || interrupted()) return segment;
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
