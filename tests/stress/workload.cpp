#include "workload.hpp"

#include <stdexcept>

#include "common/reader/segment.hpp"
#include "self_described.hpp"

namespace bifrost::stress {
namespace {

std::unique_ptr<SegmentWriter> make_writer(const std::string& dir, std::uint64_t max_size_bytes, Generation after) {
  auto writer = SegmentWriter::create(
      {dir, 1 << 20, max_size_bytes, {"stress", "redis://h:1/0", "/w", 1, std::chrono::milliseconds(1000)}, after});
  if (!writer) throw std::runtime_error(writer.error().message);
  return std::move(*writer);
}

}  // namespace

Workload::Workload(const std::string& dir, std::uint64_t seed, std::uint64_t max_size_bytes) : random_(seed) {
  remove_unpublished(dir);
  const auto old = Segment::attach(dir);
  if (!old && old.error().code != ErrorCode::kNotFound) throw std::runtime_error(old.error().message);
  writer_ = make_writer(dir, max_size_bytes, old ? (*old)->snapshot().generation() : Generation{});
  if (old) {
    const Snapshot snapshot = (*old)->snapshot();  // nobody writes it any more: it cannot be lost
    std::string body;
    for (SlotNumber slot{0}; slot.value < snapshot.slot_count(); ++slot.value) {
      const Found found = snapshot.at_slot(slot);
      if (found.status == Lookup::kMiss) continue;
      if (found.status != Lookup::kHit || snapshot.verify(found.record, body) != Lookup::kHit) {
        throw std::runtime_error("the segment of a killed writer is damaged");
      }
      const std::string path = body.substr(0, found.record.shape.key_bytes);
      if (found.record.shape.space != layout::KeySpace::kFile) continue;
      if (found.record.shape.kind == layout::RecordKind::kSource) {
        writer_->put_source(path, Snapshot::content_in(found.record, body), Snapshot::token_in(found.record, body));
      } else if (found.record.shape.kind == layout::RecordKind::kNotMirrored) {
        writer_->put_not_mirrored(path, "taken over");
      }
    }
  }
  if (!writer_->commit()) throw std::runtime_error("the first commit failed");
}

void Workload::put(const std::string& path, std::uint64_t stamp) {
  // Fragmentation comes from mixing sizes; all of them together are about what fits.
  const std::uint64_t most = random_() % 2 == 0 ? 60'000 : random_() % 4 == 0 ? 12'000 : 1'500;
  const std::string content = describe(path, stamp, random_() % most);
  if (writer_->put_source(path, content, std::to_string(stamp)) == Put::kNoRoom) ++left_out_;
}

void Workload::step() {
  const std::uint64_t stamp = writer_->generation().value + 1;
  const unsigned changes = 1 + static_cast<unsigned>(random_() % 3);
  unsigned last = 0;
  for (unsigned i = 0; i < changes; ++i) {
    last = static_cast<unsigned>(random_() % kPairs);
    const std::string left = left_of(last) + ".py";
    const std::string right = right_of(last) + ".py";
    if (random_() % 8 == 0) {
      writer_->remove(left);
      writer_->remove(right);
    } else {
      put(left, stamp);
      put(right, stamp);
    }
  }
  if (!writer_->commit()) throw std::runtime_error("a commit failed");
  if (writer_->starved()) throw std::runtime_error("starved: old versions may be visible, which no reader can judge");
  const std::string path = left_of(last) + ".py";
  if (const auto source = writer_->source_of(path); source && random_() % 2 == 0) {
    writer_->attach_code(path, source->head.digest, kTag, code_for(path, stamp));
  }
}

}  // namespace bifrost::stress
