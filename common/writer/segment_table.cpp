#include "common/writer/segment_table.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

namespace bifrost {
namespace {

constexpr double kMaxLoad = 0.7;  // beyond it, linear probing's misses get long

void write_text(WriteWords words, std::uint64_t offset, std::uint64_t capacity, std::string_view text) {
  std::string padded(text.substr(0, capacity - 1));
  padded.resize(capacity, '\0');
  words.copy_in(offset, padded.data(), padded.size());
}

// Plain relaxed stores: the file has no name yet, and rename publishes it.
void write_header(WriteWords words, const layout::Regions& regions, const AgentIdentity& identity) {
  namespace header = layout::header;
  words.relaxed(header::kMagic, layout::kMagic);
  words.relaxed(header::kLayoutVersion, layout::kLayoutVersion);
  words.relaxed(header::kFingerprint, layout::fingerprint());
  words.relaxed(header::kTotalBytes, regions.total_bytes);
  words.relaxed(header::kSlotsOffset, regions.slots_offset);
  words.relaxed(header::kSlotCount, regions.slot_count);
  words.relaxed(header::kHeapOffset, regions.heap_offset);
  words.relaxed(header::kHeapBytes, regions.heap_bytes);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  words.relaxed(header::kEpoch,
                static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()));
  words.relaxed(header::kAgentPid, static_cast<std::uint64_t>(::getpid()));
  words.relaxed(header::kAgentStartedMs, identity.started_unix_ms);
  words.relaxed(header::kLeaseMs, static_cast<std::uint64_t>(identity.lease.count()));
  write_text(words, header::kAgentVersion, header::kAgentVersionBytes, identity.version);
  write_text(words, header::kRedisUrl, header::kRedisUrlBytes, identity.redis_url);
  write_text(words, header::kWorkspace, header::kWorkspaceBytes, identity.workspace);
}

}  // namespace

std::string record_body(std::string_view key, std::string_view token, std::string_view content) {
  std::string body;
  body.reserve(layout::padded(key.size()) + layout::padded(token.size()) + layout::padded(content.size()));
  for (const std::string_view part : {key, token, content}) {
    body.append(part);
    body.resize(layout::padded(body.size()), '\0');
  }
  return body;
}

Result<std::unique_ptr<SegmentTable>> SegmentTable::create(const std::string& dir, std::uint64_t bytes,
                                                           const AgentIdentity& identity) {
  auto file = SegmentFile::create(dir, bytes);
  if (!file) return file.error();
  const layout::Regions regions = layout::compute_regions(bytes);
  write_header(file->words(), regions, identity);
  return std::unique_ptr<SegmentTable>(new SegmentTable(std::move(*file), regions));
}

SegmentTable::SegmentTable(SegmentFile file, const layout::Regions& regions)
    : file_(std::move(file)), publication_(file_.words(), regions), heap_(regions.heap_offset, regions.heap_end()) {}

std::optional<SegmentTable::Place> SegmentTable::place_of(layout::KeySpace space, std::string_view key) const {
  const layout::KeyHash hash = layout::hash_key(space, key);
  const std::uint64_t mask = regions().slot_count - 1;
  SlotNumber slot = hash.first_slot(regions().slot_count);
  for (std::uint64_t probe = 0; probe < layout::kMaxProbes; ++probe) {
    const layout::Word word = own(regions().slot_offset(slot));
    if (word == 0) {
      const bool room = static_cast<double>(slots_used_ + 1) <= kMaxLoad * static_cast<double>(regions().slot_count);
      if (!room) return std::nullopt;
      return Place{slot, hash.fingerprint(), RecordOffset{}};
    }
    if (layout::slot_fingerprint(word) == hash.fingerprint()) {
      const RecordView head = view(layout::slot_record(word));
      if (head.head.shape.space == space && head.key == key) return Place{slot, hash.fingerprint(), head.offset};
    }
    slot.value = (slot.value + 1) & mask;
  }
  return std::nullopt;
}

RecordView SegmentTable::view(RecordOffset at) const {
  RecordView v;
  v.offset = at;
  v.head.created = {own(at.value + layout::record::kCreated)};
  v.head.previous = {own(at.value + layout::record::kPrevious)};
  v.head.extent_bytes = own(at.value + layout::record::kExtentBytes);
  v.head.shape = layout::unpack_shape(own(at.value + layout::record::kShape));
  v.head.content_bytes = own(at.value + layout::record::kContentBytes);
  v.head.link = {own(at.value + layout::record::kLink)};
  v.head.digest = {own(at.value + layout::record::kDigestLow), own(at.value + layout::record::kDigestHigh)};
  v.head.variants = {own(at.value + layout::record::kVariants)};
  const char* body = file_.words().own_bytes(at.value + layout::record::kHeaderBytes);
  v.key = {body, v.head.shape.key_bytes};
  body += layout::padded(v.head.shape.key_bytes);
  v.token = {body, v.head.shape.token_bytes};
  body += layout::padded(v.head.shape.token_bytes);
  v.content = {body, v.head.content_bytes};
  return v;
}

std::uint64_t SegmentTable::headroom_bytes() const {
  return std::max<std::uint64_t>(64 * 1024, regions().heap_bytes / 16);
}

std::optional<RecordOffset> SegmentTable::allocate(std::uint64_t extent_bytes, Use use, std::uint64_t also_free) {
  const std::uint64_t keep = use == Use::kHeadroom ? 0 : use == Use::kSource ? headroom_bytes() : 2 * headroom_bytes();
  if (heap_.free_bytes() < ExtentAllocator::rounded(extent_bytes) + keep + also_free) return std::nullopt;
  const auto offset = heap_.allocate(extent_bytes);
  if (!offset) return std::nullopt;
  return RecordOffset{*offset};
}

void SegmentTable::install(const Place& place, RecordOffset at, const RecordHead& head, std::string_view body) {
  publication_.write_record(at, head, body);
  publication_.publish_slot(place.slot, layout::slot_word(place.fingerprint, at));
  if (place.head.value == 0) ++slots_used_;
  live_bytes_ += ExtentAllocator::rounded(head.extent_bytes);
}

void SegmentTable::supersede(const RecordView& version, Generation at, Variants variants) {
  const std::uint64_t bytes = ExtentAllocator::rounded(version.head.extent_bytes);
  discard(version.offset, bytes, at);
  live_bytes_ -= bytes;
  if (variants == Variants::kTakenOver) return;
  for_each_variant(version, [&](const VariantView& variant) {
    const std::uint64_t code = ExtentAllocator::rounded(variant.extent_bytes);
    discard(variant.offset, code, at);
    code_bytes_ -= code;
  });
}

void SegmentTable::discard(RecordOffset offset, std::uint64_t bytes, Generation at) {
  superseded_.push_back({at, offset, bytes});
  reclaimable_bytes_ += bytes;
}

void SegmentTable::attach(const RecordView& record, RecordOffset at, const CodeTag& tag, std::string_view code) {
  std::uint64_t end = record.offset.value + layout::record::kVariants;
  for_each_variant(record, [&](const VariantView& v) { end = v.offset.value + layout::variant::kNext; });
  publication_.write_variant(at, {tag, record.head.digest, layout::hash_key(record.head.shape.space, record.key).value},
                             code);
  publication_.attach_variant(end, at);
  code_bytes_ += ExtentAllocator::rounded(layout::variant_bytes(code.size()));
}

VariantView SegmentTable::variant_at(RecordOffset at) const {
  VariantView v;
  v.offset = at;
  v.extent_bytes = own(at.value + layout::variant::kExtentBytes);
  std::array<layout::Word, CodeTag::kWords> text;
  for (std::uint64_t i = 0; i < text.size(); ++i) {
    text[i] = own(at.value + layout::variant::kCacheTag + i * layout::kWordBytes);
  }
  v.tag = CodeTag(text, own(at.value + layout::variant::kMagic));
  v.code = {file_.words().own_bytes(at.value + layout::variant::kHeaderBytes),
            own(at.value + layout::variant::kCodeBytes)};
  return v;
}

void SegmentTable::for_each_variant(const RecordView& record,
                                    const std::function<void(const VariantView&)>& visit) const {
  RecordOffset at{own(record.offset.value + layout::record::kVariants)};
  while (at.value != 0) {
    const VariantView variant = variant_at(at);
    at = {own(at.value + layout::variant::kNext)};
    visit(variant);
  }
}

std::uint64_t SegmentTable::reclaim(Generation oldest) {
  if (superseded_.empty() || superseded_.front().at > oldest) return 0;
  publication_.give_up_before(oldest);
  std::uint64_t freed = 0;
  while (!superseded_.empty() && superseded_.front().at <= oldest) {
    heap_.release(superseded_.front().offset.value, superseded_.front().bytes);
    freed += superseded_.front().bytes;
    superseded_.pop_front();
  }
  reclaimable_bytes_ -= freed;
  return freed;
}

void SegmentTable::for_each_newest(const std::function<void(SlotNumber, const RecordView&)>& visit) const {
  for (SlotNumber slot{0}; slot.value < regions().slot_count; ++slot.value) {
    const layout::Word word = own(regions().slot_offset(slot));
    if (word != 0) visit(slot, view(layout::slot_record(word)));
  }
}

}  // namespace bifrost
