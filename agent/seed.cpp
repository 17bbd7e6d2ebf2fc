#include "agent/seed.hpp"

#include <string>

namespace bifrost::agent {

Seeded seed_from(const Segment& old, Mirror& mirror) {
  Seeded seeded;
  const Snapshot snapshot = old.snapshot();
  std::string body;
  for (SlotNumber slot{0}; slot.value < snapshot.slot_count(); ++slot.value) {
    const Found found = snapshot.at_slot(slot);
    if (found.status == Lookup::kMiss) continue;
    if (found.status != Lookup::kHit) {
      ++seeded.damaged;
      continue;
    }
    const RecordRef& record = found.record;
    const bool wanted =
        record.shape.space == layout::KeySpace::kFile &&
        (record.shape.kind == layout::RecordKind::kSource || record.shape.kind == layout::RecordKind::kNotMirrored);
    if (!wanted) continue;
    if (snapshot.verify(record, body) != Lookup::kHit) {
      ++seeded.damaged;
      continue;
    }
    const std::string_view key = std::string_view(body).substr(0, record.shape.key_bytes);
    const std::string_view content = Snapshot::content_in(record, body);
    if (record.shape.kind == layout::RecordKind::kSource) {
      mirror.seed(key, content, Snapshot::token_in(record, body), record.has(layout::Mark::kRetained));
    } else {
      mirror.seed_not_mirrored(key, content);
    }
    ++seeded.modules;
  }
  return seeded;
}

}  // namespace bifrost::agent
