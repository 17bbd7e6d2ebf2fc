#include "agent/compile/failures.hpp"

namespace bifrost::agent {

void CompileFailures::note(Failure failure, const layout::Checksum& digest) {
  const auto key = std::pair(failure.path, failure.tag);
  if (entries_.size() >= kMost && !entries_.contains(key)) {
    more_ = true;
    return;
  }
  entries_.insert_or_assign(key, Entry{std::move(failure), digest});
}

void CompileFailures::forget(ModulePathView path, const std::string& tag) {
  entries_.erase({std::string(path.text()), tag});
}

std::vector<CompileFailures::Failure> CompileFailures::now(const IsNewest& is_newest) {
  std::erase_if(entries_, [&](const auto& known) { return !is_newest(known.first.first, known.second.digest); });
  if (entries_.size() < kMost) more_ = false;
  std::vector<Failure> failures;
  failures.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) failures.push_back(entry.failure);
  return failures;
}

}  // namespace bifrost::agent
