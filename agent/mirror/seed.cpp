#include "agent/mirror/seed.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace bifrost::agent {

namespace {

// Code goes over as it is: its checksum vouches for it, and its tag says who may run it. Only what the agent before
// made itself, though: code for interpreters that nobody has any more must not be handed down for ever.
class CodeSeed {
 public:
  CodeSeed(const Segment& old, const Snapshot& snapshot, SegmentWriter& writer) : snapshot_(snapshot), writer_(writer) {
    for (const SegmentInfo::Code& code : old.info().code) {
      if (code.made_here) tags_.push_back(code.tag);
    }
  }

  // Returns how many variants of `record` were taken over.
  std::size_t take(const RecordRef& record, ModulePathView path) {
    std::size_t taken = 0;
    for (const CodeTag& tag : tags_) {
      VariantRef variant;
      if (snapshot_.find_variant(record, path.text(), tag, variant) != Lookup::kHit) continue;
      code_.resize(variant.code_bytes);
      if (snapshot_.read_code(variant, code_.data()) != Lookup::kHit) continue;
      if (writer_.attach_code(path.text(), record.digest, tag, code_) == Attach::kAttached) ++taken;
    }
    return taken;
  }

 private:
  const Snapshot& snapshot_;
  SegmentWriter& writer_;
  std::vector<CodeTag> tags_;
  std::string code_;
};

}  // namespace

Seeded seed_from(const Segment& old, Mirror& mirror, SegmentWriter& writer) {
  Seeded seeded;
  const Snapshot snapshot = old.snapshot();
  CodeSeed code(old, snapshot, writer);
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
    const auto path = ModulePathView::parse(std::string_view(body).substr(0, record.shape.key_bytes));
    if (!path) {
      ++seeded.refused;
      continue;
    }
    const std::string_view content = Snapshot::content_in(record, body);
    if (record.shape.kind == layout::RecordKind::kSource) {
      mirror.seed(*path, content, Snapshot::token_in(record, body), record.has(layout::Mark::kRetained),
                  record.has(layout::Mark::kIndexLost));
      seeded.code += code.take(record, *path);
    } else {
      mirror.seed_not_mirrored(*path, content);
    }
    ++seeded.modules;
  }
  return seeded;
}

}  // namespace bifrost::agent
