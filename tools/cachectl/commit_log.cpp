#include "tools/cachectl/commit_log.hpp"

#include <cstring>

namespace bifrost::cachectl {
namespace {

constexpr int kMostCommits = 10'000'000;  // a history that does not end is a damaged one

layout::Word word_in(std::string_view content, std::size_t offset) {
  layout::Word word = 0;
  std::memcpy(&word, content.data() + offset, sizeof word);
  return word;
}

std::optional<Version> version_of(const Snapshot& snapshot, const RecordRef& record) {
  std::string head;
  if (record.shape.space != layout::KeySpace::kFile || snapshot.verify_head(record, head) != Lookup::kHit) return {};
  return Version{std::string(Snapshot::key_in(record, head)),
                 record.created,
                 record.shape.kind,
                 record.shape.reason,
                 record.shape.kind == layout::RecordKind::kSource ? record.content_bytes : 0,
                 std::string(Snapshot::token_in(record, head))};
}

}  // namespace

std::string_view Version::what() const {
  if (kind == layout::RecordKind::kNotMirrored) return "not mirrored";
  if (kind == layout::RecordKind::kSource) return "source";
  switch (reason) {
    case layout::Reason::kExpiry: return "expired";
    case layout::Reason::kPrune: return "pruned";
    default: return "deleted";
  }
}

void walk_commits(const Snapshot& snapshot, const std::function<bool(const Commit&)>& visit) {
  Address at = snapshot.last_commit();
  std::string body;
  Generation newer{~std::uint64_t{0}};
  for (int n = 0; n < kMostCommits && at.value != 0; ++n) {
    const Found found = snapshot.at_address(at);
    const RecordRef& record = found.record;
    if (found.status != Lookup::kHit || snapshot.verify(record, body) != Lookup::kHit) return;
    const std::string_view content = Snapshot::content_in(record, body);
    const bool sound = record.shape.kind == layout::RecordKind::kCommit && record.created < newer &&
                       content.size() >= layout::commit::kHeaderBytes;
    if (!sound) return;
    newer = record.created;
    at = record.previous;
    if (record.created > snapshot.generation()) continue;  // published after the snapshot was taken
    Commit commit{
        record.created, word_in(content, layout::commit::kUnixMs), word_in(content, layout::commit::kChanges), {}};
    for (std::size_t o = layout::commit::kHeaderBytes; o + layout::kWordBytes <= content.size();
         o += layout::kWordBytes) {
      commit.records.push_back(Address(word_in(content, o)));
    }
    if (!visit(commit)) return;
  }
}

std::optional<Version> version_at(const Snapshot& snapshot, Address address) {
  const Found found = snapshot.at_address(address);
  if (found.status != Lookup::kHit) return std::nullopt;
  return version_of(snapshot, found.record);
}

Lookup versions_of(const Snapshot& snapshot, std::string_view path, std::vector<Version>& versions) {
  versions.clear();
  Address at = snapshot.newest_of(layout::KeySpace::kFile, path);
  Generation newer{~std::uint64_t{0}};
  while (at.value != 0) {
    const Found found = snapshot.at_address(at);
    if (found.status != Lookup::kHit || found.record.created >= newer) break;
    newer = found.record.created;
    at = found.record.previous;
    if (newer > snapshot.generation()) continue;  // staged, or published after the snapshot was taken
    auto version = version_of(snapshot, found.record);
    if (!version) break;
    versions.push_back(std::move(*version));
  }
  return versions.empty() ? Lookup::kMiss : Lookup::kHit;
}

std::optional<std::uint64_t> unix_ms_of(const Snapshot& snapshot, Generation generation) {
  std::optional<std::uint64_t> when;
  walk_commits(snapshot, [&](const Commit& commit) {
    if (commit.generation == generation) when = commit.unix_ms;
    return commit.generation > generation;
  });
  return when;
}

}  // namespace bifrost::cachectl
