#include "successor.hpp"

#include <unistd.h>

#include "common/base/segment_dir.hpp"
#include "common/reader/segment.hpp"
#include "common/writer/segment_file.hpp"

namespace bifrost::store_log {
namespace {

bool code_is_sound(const SegmentWriter& writer, const Snapshot& snapshot, const RecordRef& record,
                   std::string_view path) {
  VariantRef variant;
  std::string code;
  for (std::uint64_t n = 0; n <= layout::kMaxVariants; ++n) {
    const Lookup next = snapshot.next_variant(record, variant);
    if (next == Lookup::kMiss) return true;
    if (next != Lookup::kHit || variant.digest != record.digest ||
        variant.key_hash != layout::hash_key(layout::KeySpace::kFile, path).value) {
      return false;
    }
    code.resize(variant.code_bytes);
    if (snapshot.read_code(variant, code.data()) != Lookup::kHit || !writer.has_chunk(variant.address)) return false;
  }
  return false;
}

}  // namespace

Result<Succession> succeed(const StoreOptions& options) {
  remove_unpublished(options.dir);
  const auto old = Segment::attach(options.dir);
  if (!old) return old.error();
  const StoreId store{(*old)->chunks().source().store_low, (*old)->chunks().source().store_high};
  const Snapshot snapshot = (*old)->snapshot();
  auto writer = SegmentWriter::succeed(options, store, snapshot.generation());
  if (!writer) return writer.error();
  Succession made{std::move(*writer)};
  const auto numbers = chunk_files_in(options.dir);
  if (!numbers) return numbers.error();
  for (const std::uint64_t number : *numbers) {
    if (!made.writer->adopt_chunk({number})) ::unlink(path_in(options.dir, chunk_file_name(number)).c_str());
  }
  const auto adopt_history_before = [&](Address newer) {
    while (newer.value != 0) newer = made.writer->adopt_older(newer);
  };
  adopt_history_before(made.writer->adopt_log());
  std::string body;
  for (SlotNumber slot{0}; slot.value < snapshot.slot_count(); ++slot.value) {
    const Found found = snapshot.at_slot(slot);
    if (found.status == Lookup::kMiss) continue;
    if (found.status != Lookup::kHit || snapshot.verify(found.record, body) != Lookup::kHit ||
        !made.writer->has_chunk(found.record.address)) {
      ++made.damaged;
      continue;
    }
    const std::string_view key = Snapshot::key_in(found.record, body);
    const bool is_file = found.record.shape.space == layout::KeySpace::kFile;
    made.writer->adopt(found.record.address, is_file && code_is_sound(*made.writer, snapshot, found.record, key));
    adopt_history_before(found.record.address);
  }
  made.writer->adopted(Taken::kComplete);  // no script lacks a name
  if (const Status s = made.writer->publish(); !s) return s.error();
  return made;
}

}  // namespace bifrost::store_log
