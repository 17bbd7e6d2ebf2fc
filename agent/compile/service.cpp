#include "agent/compile/service.hpp"

#include <utility>

namespace bifrost::agent {

CompileService::CompileService(uv_loop_t* loop, CompileOptions options, SegmentWriter& writer,
                               std::function<void()> want_all)
    : options_(std::move(options)), writer_(writer) {
  for (const std::string& interpreter : options_.interpreters) {
    const std::size_t lane = lanes_.size();
    lanes_.push_back(std::make_unique<CompileLane>(
        loop, options_, interpreter, writer, failures_,
        [this, lane](const CompileHelper::Identity& identity) { return claim(lane, identity); },
        [this, want_all] {
          for (const auto& other : lanes_) other->reconsider();
          want_all();
        }));
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

// A lane may come with another identity than before: its interpreter was upgraded under it.
bool CompileService::claim(std::size_t lane, const CompileHelper::Identity& identity) {
  std::erase_if(claims_, [lane](const auto& claim) { return claim.first == lane; });
  for (const auto& [owner, claimed] : claims_) {
    if (claimed == identity) return false;
  }
  claims_.emplace_back(lane, identity);
  return true;
}

}  // namespace bifrost::agent
