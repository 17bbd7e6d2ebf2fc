#include "common/reader/segment.hpp"

#include <algorithm>
#include <cstring>

#include "common/base/boot_identity.hpp"
#include "common/base/segment_dir.hpp"

namespace bifrost {

std::optional<FileIdentity> published_identity(const std::string& dir) {
  return identity_of(path_in(dir, kSegmentFileName));
}

namespace {

std::string text_at(ReadWords words, std::uint64_t offset, std::uint64_t bytes) {
  std::string text(bytes, '\0');
  words.copy_out(offset, text.data(), bytes);
  text.resize(::strnlen(text.data(), bytes));
  return text;
}

// Whatever the word says, it can be reckoned with in nanoseconds.
std::chrono::milliseconds ms_at(ReadWords words, std::uint64_t offset) {
  constexpr std::uint64_t kMostMs = std::uint64_t{1} << 42;  // 139 years
  return std::chrono::milliseconds(std::min(words.relaxed(offset), kMostMs));
}

std::vector<SegmentInfo::Code> code_of(ReadWords words) {
  namespace code_tag = layout::code_tag;
  std::vector<SegmentInfo::Code> shares;
  for (std::uint64_t i = 0; i < layout::control::kCodeTagCapacity; ++i) {
    const std::uint64_t entry = layout::control::kCodeTags + i * code_tag::kBytes;
    const auto word = [&](std::uint64_t offset) { return words.relaxed(entry + offset); };
    const CodeTag tag = CodeTag::read(word, code_tag::kCacheTag, code_tag::kMagic);
    if (tag.empty()) break;
    shares.push_back({tag, word(code_tag::kModules), word(code_tag::kMadeHere) != 0});
  }
  return shares;
}

}  // namespace

Segment::Segment(std::shared_ptr<const FileMapping> root, layout::Regions regions, FileIdentity identity,
                 ChunkSource source, const ChunkMap* earlier)
    : root_(std::move(root)),
      chunks_(earlier == nullptr ? ChunkMap(std::move(source)) : ChunkMap(std::move(source), *earlier)),
      memory_(ReadWords(root_->data()), regions,
              ChunkNumber{ReadWords(root_->data()).relaxed(layout::header::kChunkBase)}, &chunks_),
      identity_(identity),
      lease_(ms_at(memory_.root(), layout::header::kLeaseMs)) {
  const BootIdentity writer{memory_.root().relaxed(layout::header::kBootLow),
                            memory_.root().relaxed(layout::header::kBootHigh),
                            memory_.root().relaxed(layout::header::kTimeNamespace)};
  clock_is_ours_ = writer.same_clock(boot_identity());
}

Result<std::shared_ptr<const Segment>> Segment::attach(const std::string& dir, const Trust& trust,
                                                       const Segment* earlier) {
  const std::string name(kSegmentFileName);
  const auto directory = open_segment_dir(dir);
  if (!directory) return directory.error();
  const auto file = open_checked(directory->fd.get(), dir, name, trust, kRootFormat);
  if (!file) return file.error();
  auto mapped = FileMapping::map(file->fd.get(), file->bytes, MapMode::kReadOnly);
  if (!mapped) return mapped.error();
  const auto root = std::make_shared<const FileMapping>(std::move(*mapped));
  const ReadWords words(root->data());
  const layout::Regions regions{words.relaxed(layout::header::kSlotCount)};
  if (!regions.valid() || regions.total_bytes() != file->bytes ||
      words.relaxed(layout::header::kSlotsOffset) != layout::kRootHeaderBytes) {
    return Error{ErrorCode::kDamaged, path_in(dir, name) + " states slots that do not follow from its size"};
  }
  const ChunkSource source{dir, directory->identity, trust, words.relaxed(layout::header::kStoreLow),
                           words.relaxed(layout::header::kStoreHigh)};
  return std::shared_ptr<const Segment>(
      new Segment(root, regions, file->identity, source, earlier == nullptr ? nullptr : &earlier->chunks_));
}

std::shared_ptr<const Segment> Segment::without_gone() const {
  return std::shared_ptr<const Segment>(new Segment(root_, memory_.regions(), identity_, chunks_.source(), &chunks_));
}

std::string Segment::run_id() const {
  return text_at(memory_.root(), layout::control::kRunId, layout::control::kRunIdBytes);
}

SegmentInfo Segment::info() const {
  namespace header = layout::header;
  namespace control = layout::control;
  const ReadWords& words = memory_.root();
  SegmentInfo i;
  i.clock_is_ours = clock_is_ours_;
  i.layout_version = words.relaxed(layout::prefix::kLayoutVersion);
  i.agent_pid = words.relaxed(header::kAgentPid);
  i.agent_started_unix_ms = words.relaxed(header::kAgentStartedMs);
  i.lease = ms_at(words, header::kLeaseMs);
  i.agent_version = text_at(words, header::kAgentVersion, header::kAgentVersionBytes);
  i.redis_url = text_at(words, header::kRedisUrl, header::kRedisUrlBytes);
  i.workspace = text_at(words, header::kWorkspace, header::kWorkspaceBytes);
  i.generation = {words.acquire(control::kGeneration)};
  i.oldest_generation = {words.relaxed(control::kOldestGeneration)};
  i.synced_through = synced_through();
  i.lease_until = {words.acquire(control::kLeaseUntilNs)};
  // Relaxed from here on: numbers to show, each recent on its own.
  if (clock_is_ours_) i.heartbeat = {words.relaxed(control::kHeartbeatNs)};
  i.state = static_cast<layout::AgentState>(words.relaxed(control::kState));
  i.complete = words.relaxed(control::kComplete) != 0;
  i.redis_connected = words.relaxed(control::kRedisConnected) != 0;
  i.signals = words.relaxed(control::kSignals);
  i.modules = words.relaxed(control::kModules);
  i.not_mirrored = words.relaxed(control::kNotMirrored);
  i.retained = words.relaxed(control::kRetained);
  i.nodes = words.relaxed(control::kNodes);
  i.slots_used = words.relaxed(control::kSlotsUsed);
  i.slot_count = memory_.regions().slot_count;
  i.size_bytes = words.relaxed(control::kSizeBytes);
  i.max_bytes = words.relaxed(control::kMaxBytes);
  i.live_bytes = words.relaxed(control::kLiveBytes);
  i.history_bytes = words.relaxed(control::kHistoryBytes);
  i.chunks = words.relaxed(control::kChunks);
  if (clock_is_ours_) i.history_since = {words.relaxed(control::kHistorySinceNs)};
  i.history_limit = static_cast<layout::HistoryLimit>(words.relaxed(control::kHistoryLimit));
  i.history = ms_at(words, control::kHistoryMs);
  i.run_id = text_at(words, control::kRunId, control::kRunIdBytes);
  i.deploying_since_unix_ms = words.relaxed(control::kDeployingSinceMs);
  i.cuts = static_cast<layout::Cuts>(words.relaxed(control::kCuts));
  i.code_bytes = words.relaxed(control::kCodeBytes);
  i.code = code_of(words);
  for (std::size_t c = 0; c < i.counters.size(); ++c) {
    i.counters[c] = words.relaxed(counter_offset(static_cast<Counter>(c)));
  }
  return i;
}

}  // namespace bifrost
