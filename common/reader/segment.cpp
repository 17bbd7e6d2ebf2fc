#include "common/reader/segment.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/segment_dir.hpp"
#include "common/base/unique_fd.hpp"

namespace bifrost {

std::optional<FileIdentity> published_identity(const std::string& dir) {
  struct stat st {};
  if (::lstat(path_in(dir, kSegmentFileName).c_str(), &st) != 0) return std::nullopt;
  return FileIdentity{st.st_dev, st.st_ino};
}

namespace {

Error error_of_open(const std::string& path, int err) {
  switch (err) {
    case ENOENT:
    case ENOTDIR:
      return {ErrorCode::kNotFound,
              path + " does not exist: start bifrost-agent, or set BIFROST_SEGMENT_DIR to its directory"};
    case EACCES:
    case EPERM:
      return {ErrorCode::kPermission,
              path + " may not be read by this user: add it to the group that owns the segment directory"};
    case ELOOP: return {ErrorCode::kUntrusted, path + " is a symbolic link: remove it and restart bifrost-agent"};
    default: return {ErrorCode::kIo, path + ": " + std::strerror(err)};
  }
}

// The security boundary: who could have written these bytes?
Status check_trust(const std::string& dir, const std::string& path, const struct stat& st, const Trust& trust) {
  if (!S_ISREG(st.st_mode)) {
    return Error{ErrorCode::kUntrusted, path + " is not a regular file: remove it and restart bifrost-agent"};
  }
  if (!is_trusted(trust, dir, st.st_uid)) {
    const std::string appointed =
        trust.agent_uid ? "BIFROST_AGENT_UID" : "the owner of " + std::string(trust.appointed_dir);
    return Error{ErrorCode::kUntrusted,
                 path + " belongs to uid " + std::to_string(st.st_uid) + ", which is neither root, this user nor " +
                     appointed +
                     ": its code would not be trustworthy. If the agent runs as that user, set BIFROST_AGENT_UID to "
                     "it"};
  }
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error{ErrorCode::kUntrusted, path + " is writable by group or others: remove it and restart bifrost-agent"};
  }
  return Done{};
}

struct FrozenHeader {
  std::uint64_t magic, layout_version, fingerprint, total_bytes;
};

Status check_frozen_header(const std::string& path, const FrozenHeader& h, std::uint64_t file_bytes) {
  if (h.magic != layout::kMagic) {
    return Error{ErrorCode::kDamaged, path + " is not a bifrost segment"};
  }
  if (h.layout_version != layout::kLayoutVersion || h.fingerprint != layout::fingerprint()) {
    return Error{ErrorCode::kIncompatible,
                 path + " has layout version " + std::to_string(h.layout_version) + ", this program reads version " +
                     std::to_string(layout::kLayoutVersion) + ": install agent and workers of the same release"};
  }
  if (h.total_bytes != file_bytes || h.total_bytes < layout::kMinSegmentBytes ||
      h.total_bytes > layout::kMaxSegmentBytes || h.total_bytes % 4096 != 0) {
    return Error{ErrorCode::kDamaged, path + " has " + std::to_string(file_bytes) + " bytes where its header says " +
                                          std::to_string(h.total_bytes)};
  }
  return Done{};
}

std::string text_at(ReadWords words, std::uint64_t offset, std::uint64_t bytes) {
  std::string text(bytes, '\0');
  words.copy_out(offset, text.data(), bytes);
  text.resize(::strnlen(text.data(), bytes));
  return text;
}

std::vector<SegmentInfo::Code> code_of(ReadWords words) {
  namespace code_tag = layout::code_tag;
  std::vector<SegmentInfo::Code> shares;
  for (std::uint64_t i = 0; i < layout::control::kCodeTagCapacity; ++i) {
    const std::uint64_t entry = layout::control::kCodeTags + i * code_tag::kBytes;
    std::array<layout::Word, CodeTag::kWords> text;
    for (std::uint64_t w = 0; w < text.size(); ++w) {
      text[w] = words.relaxed(entry + code_tag::kCacheTag + w * layout::kWordBytes);
    }
    const CodeTag tag(text, words.relaxed(entry + code_tag::kMagic));
    if (tag.empty()) break;
    shares.push_back({tag, words.relaxed(entry + code_tag::kModules), words.relaxed(entry + code_tag::kMadeHere) != 0});
  }
  return shares;
}

}  // namespace

Result<std::shared_ptr<const Segment>> Segment::attach(const std::string& dir, const Trust& trust) {
  const std::string path = path_in(dir, kSegmentFileName);
  // O_NONBLOCK: a FIFO in place of the file must not hang the open.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return error_of_open(path, errno);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return error_of_open(path, errno);
  if (const Status trusted = check_trust(dir, path, st, trust); !trusted) return trusted.error();

  const auto file_bytes = static_cast<std::uint64_t>(st.st_size);
  FrozenHeader frozen{};
  if (file_bytes < layout::kMinSegmentBytes ||
      ::pread(fd.get(), &frozen, sizeof frozen, 0) != static_cast<ssize_t>(sizeof frozen)) {
    return Error{ErrorCode::kDamaged, path + " is too short to be a segment (" + std::to_string(file_bytes) +
                                          " bytes): restart bifrost-agent"};
  }
  if (const Status valid = check_frozen_header(path, frozen, file_bytes); !valid) return valid.error();

  auto mapping = FileMapping::map(fd.get(), file_bytes, MapMode::kReadOnly);
  if (!mapping) return mapping.error();
  const ReadWords words(mapping->data());
  const layout::Regions regions = layout::compute_regions(file_bytes);
  const layout::Regions stated{file_bytes, words.relaxed(layout::header::kSlotsOffset),
                               words.relaxed(layout::header::kSlotCount), words.relaxed(layout::header::kHeapOffset),
                               words.relaxed(layout::header::kHeapBytes)};
  if (stated != regions) {
    return Error{ErrorCode::kDamaged, path + " states regions that do not follow from its size"};
  }
  return std::shared_ptr<const Segment>(new Segment(std::move(*mapping), regions, FileIdentity{st.st_dev, st.st_ino}));
}

SegmentInfo Segment::info() const {
  namespace header = layout::header;
  namespace control = layout::control;
  SegmentInfo i;
  i.layout_version = words_.relaxed(header::kLayoutVersion);
  i.epoch = words_.relaxed(header::kEpoch);
  i.total_bytes = regions_.total_bytes;
  i.agent_pid = words_.relaxed(header::kAgentPid);
  i.agent_started_unix_ms = words_.relaxed(header::kAgentStartedMs);
  i.lease = std::chrono::milliseconds(words_.relaxed(header::kLeaseMs));
  i.agent_version = text_at(words_, header::kAgentVersion, header::kAgentVersionBytes);
  i.redis_url = text_at(words_, header::kRedisUrl, header::kRedisUrlBytes);
  i.workspace = text_at(words_, header::kWorkspace, header::kWorkspaceBytes);
  i.generation = {words_.acquire(control::kGeneration)};
  i.oldest_generation = {words_.relaxed(control::kOldestGeneration)};
  i.retired = retired();
  i.synced_through = synced_through();
  i.lease_until = {words_.acquire(control::kLeaseUntilNs)};
  // Relaxed from here on: numbers to show, each recent on its own.
  i.heartbeat = {words_.relaxed(control::kHeartbeatNs)};
  i.state = static_cast<layout::AgentState>(words_.relaxed(control::kState));
  i.complete = words_.relaxed(control::kComplete) != 0;
  i.redis_connected = words_.relaxed(control::kRedisConnected) != 0;
  i.signals = words_.relaxed(control::kSignals);
  i.modules = words_.relaxed(control::kModules);
  i.not_mirrored = words_.relaxed(control::kNotMirrored);
  i.retained = words_.relaxed(control::kRetained);
  i.nodes = words_.relaxed(control::kNodes);
  i.slots_used = words_.relaxed(control::kSlotsUsed);
  i.slot_count = regions_.slot_count;
  i.heap_bytes = regions_.heap_bytes;
  i.heap_used_bytes = words_.relaxed(control::kHeapUsedBytes);
  i.heap_reclaimable_bytes = words_.relaxed(control::kHeapReclaimableBytes);
  i.code_bytes = words_.relaxed(control::kCodeBytes);
  i.code = code_of(words_);
  for (std::size_t c = 0; c < i.counters.size(); ++c) {
    i.counters[c] = words_.relaxed(counter_offset(static_cast<Counter>(c)));
  }
  return i;
}

}  // namespace bifrost
