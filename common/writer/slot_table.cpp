#include "common/writer/slot_table.hpp"

#include <unistd.h>

#include "common/base/boot_identity.hpp"

namespace bifrost {
namespace {

void write_text(WriteWords words, std::uint64_t offset, std::uint64_t capacity, std::string_view text) {
  std::string padded(text.substr(0, capacity - 1));
  padded.resize(capacity, '\0');
  words.copy_in(offset, padded.data(), padded.size());
}

// Plain relaxed stores: the file has no name yet, and rename publishes it.
void write_header(WriteWords words, layout::Regions regions, ChunkNumber base, StoreId store,
                  const AgentIdentity& identity) {
  namespace header = layout::header;
  words.relaxed(layout::prefix::kMagic, header::kMagic);
  words.relaxed(layout::prefix::kLayoutVersion, layout::kLayoutVersion);
  words.relaxed(layout::prefix::kFingerprint, layout::fingerprint());
  words.relaxed(layout::prefix::kTotalBytes, regions.total_bytes());
  words.relaxed(header::kStoreLow, store.low);
  words.relaxed(header::kStoreHigh, store.high);
  words.relaxed(header::kSlotsOffset, layout::kRootHeaderBytes);
  words.relaxed(header::kSlotCount, regions.slot_count);
  words.relaxed(header::kChunkBase, base.value);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  words.relaxed(header::kEpoch,
                static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()));
  words.relaxed(header::kAgentPid, static_cast<std::uint64_t>(::getpid()));
  words.relaxed(header::kAgentStartedMs, identity.started_unix_ms);
  words.relaxed(header::kLeaseMs, static_cast<std::uint64_t>(identity.lease.count()));
  words.relaxed(header::kBootLow, boot_identity().boot_low);
  words.relaxed(header::kBootHigh, boot_identity().boot_high);
  words.relaxed(header::kTimeNamespace, boot_identity().time_namespace);
  write_text(words, header::kAgentVersion, header::kAgentVersionBytes, identity.version);
  write_text(words, header::kRedisUrl, header::kRedisUrlBytes, identity.redis_url);
  write_text(words, header::kWorkspace, header::kWorkspaceBytes, identity.workspace);
}

}  // namespace

Result<std::unique_ptr<SlotTable>> SlotTable::create(const std::string& dir, std::uint64_t slot_count, ChunkNumber base,
                                                     StoreId store, const AgentIdentity& identity) {
  const layout::Regions regions{slot_count};
  auto file = SegmentFile::create(dir, regions.total_bytes(), regions.total_bytes());
  if (!file) return file.error();
  write_header(file->words(), regions, base, store, identity);
  return std::unique_ptr<SlotTable>(new SlotTable(std::move(*file), regions, base));
}

void SlotTable::set(const Place& place, Address record) {
  if (place.head.value == 0) ++slots_used_;
  publication_.publish_slot(place.slot, layout::slot_word(place.hash.fingerprint(), record, base_));
}

void SlotTable::drop(const Place& place) {
  ++slots_dropped_;
  publication_.publish_slot(place.slot, layout::dropped_slot_word(place.hash.fingerprint()));
}

Address SlotTable::record_in(SlotNumber slot) const {
  const layout::Word word = own(regions_.slot_offset(slot));
  return word == 0 || layout::slot_dropped(word) ? Address() : layout::slot_record(word, base_);
}

void SlotTable::take_control_block(const SlotTable& before) {
  namespace control = layout::control;
  for (std::uint64_t offset = control::kGeneration; offset < layout::kRootHeaderBytes; offset += layout::kWordBytes) {
    if (offset != control::kRetired) publication_.show(offset, before.own(offset));
  }
}

}  // namespace bifrost
