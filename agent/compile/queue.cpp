#include "agent/compile/queue.hpp"

namespace bifrost::agent {

void CompileQueue::want(ModulePathView path, std::uint64_t source_bytes, Urgency urgency) {
  ModulePath key(path);
  if (const auto found = waiting_.find(key); found != waiting_.end()) order_.erase(found->second);
  const auto place = order_.emplace(urgency, source_bytes, key).first;
  waiting_.insert_or_assign(std::move(key), place);
}

std::optional<ModulePath> CompileQueue::take() {
  if (order_.empty()) return std::nullopt;
  ModulePath path = std::get<ModulePath>(*order_.begin());
  order_.erase(order_.begin());
  waiting_.erase(path);
  return path;
}

bool CompileQueue::note_death(ModulePathView path, const layout::Checksum& digest) {
  Deaths& deaths = deaths_[ModulePath(path)];
  if (deaths.digest != digest) deaths = {digest, 0};
  return ++deaths.count < kMaxDeaths;
}

bool CompileQueue::is_poison(ModulePathView path, const layout::Checksum& digest) const {
  const auto found = deaths_.find(path);
  return found != deaths_.end() && found->second.digest == digest && found->second.count >= kMaxDeaths;
}

}  // namespace bifrost::agent
