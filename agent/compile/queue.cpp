#include "agent/compile/queue.hpp"

namespace bifrost::agent {

void CompileQueue::want(std::string_view path, std::uint64_t source_bytes, Urgency urgency) {
  std::string key(path);
  if (const auto found = waiting_.find(key); found != waiting_.end()) order_.erase(found->second);
  const auto place = order_.emplace(urgency, source_bytes, key).first;
  waiting_[std::move(key)] = place;
}

std::optional<std::string> CompileQueue::take() {
  if (order_.empty()) return std::nullopt;
  std::string path = std::get<std::string>(*order_.begin());
  order_.erase(order_.begin());
  waiting_.erase(path);
  return path;
}

bool CompileQueue::note_death(std::string_view path, const layout::Checksum& digest) {
  Deaths& deaths = deaths_[std::string(path)];
  if (deaths.digest != digest) deaths = {digest, 0};
  return ++deaths.count < kMaxDeaths;
}

bool CompileQueue::is_poison(const std::string& path, const layout::Checksum& digest) const {
  const auto found = deaths_.find(path);
  return found != deaths_.end() && found->second.digest == digest && found->second.count >= kMaxDeaths;
}

}  // namespace bifrost::agent
