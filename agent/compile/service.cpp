#include "agent/compile/service.hpp"

#include <algorithm>
#include <utility>

namespace bifrost::agent {

CompileService::CompileService(uv_loop_t* loop, CompileOptions options, SegmentWriter& writer,
                               std::function<void()> want_all)
    : options_(std::move(options)), writer_(writer), want_all_(std::move(want_all)) {
  for (const std::string& interpreter : options_.interpreters) {
    const std::size_t lane = lanes_.size();
    lanes_.push_back(std::make_unique<CompileLane>(
        loop, options_, interpreter, writer, failures_,
        [this, lane](const CompileHelper::Identity* identity) { return claim(lane, identity); }));
  }
}

void CompileService::want(ModulePathView path, std::uint64_t source_bytes, CompileQueue::Urgency urgency) {
  for (const auto& lane : lanes_) lane->want(path, source_bytes, urgency);
}

std::size_t CompileService::waiting() const {
  std::size_t waiting = 0;
  for (const auto& lane : lanes_) waiting += lane->waiting();
  return waiting;
}

std::vector<CompileLane::Report> CompileService::interpreters() const {
  std::vector<CompileLane::Report> reports;
  for (const auto& lane : lanes_) reports.push_back(lane->report());
  return reports;
}

std::vector<CompileFailures::Failure> CompileService::failures() {
  return failures_.now([this](const std::string& path, const layout::Checksum& digest) {
    const auto source = writer_.source_of(path);
    return source && source->head.digest == digest;
  });
}

// A lane may come with another identity than before: its interpreter was replaced. Whoever gets a claim has just
// started, so that others look again: what made them superfluous, or what their names mean, may have changed.
bool CompileService::claim(std::size_t lane, const CompileHelper::Identity* identity) {
  const auto before = std::ranges::find(claims_, lane, &Claimed::lane);
  const bool had = before != claims_.end();
  const bool same = had && identity != nullptr && before->identity == *identity;
  if (had && !same) claims_.erase(before);
  const bool free = identity != nullptr && std::ranges::find(claims_, *identity, &Claimed::identity) == claims_.end();
  if (free) claims_.push_back({lane, *identity});
  const bool gets_it = same || free;
  if (gets_it || had) {
    for (const auto& other : lanes_) other->reconsider();
  }
  if (free || (had && !same)) want_all_();
  return gets_it;
}

}  // namespace bifrost::agent
