// The layout spelled out a second time, in literal numbers: a change without a new layout version fails here.
#include "common/layout/segment_layout.hpp"

#include <cstring>
#include <fstream>
#include <vector>

#include "common/layout/counters.hpp"
#include "segment_fixture.hpp"

namespace bifrost {
namespace {

TEST(SegmentLayout, VersionTwoHasTheseOffsets) {
  ASSERT_EQ(layout::kLayoutVersion, 2u) << "a new version needs new numbers here and in docs/shm-layout.md";
  EXPECT_EQ(layout::header::kMagic, 0u);
  EXPECT_EQ(layout::header::kLayoutVersion, 8u);
  EXPECT_EQ(layout::header::kFingerprint, 16u);
  EXPECT_EQ(layout::header::kTotalBytes, 24u);
  EXPECT_EQ(layout::header::kSlotsOffset, 64u);
  EXPECT_EQ(layout::header::kSlotCount, 72u);
  EXPECT_EQ(layout::header::kHeapOffset, 80u);
  EXPECT_EQ(layout::header::kHeapBytes, 88u);
  EXPECT_EQ(layout::header::kEpoch, 96u);
  EXPECT_EQ(layout::control::kGeneration, 1024u);
  EXPECT_EQ(layout::control::kOldestGeneration, 1088u);
  EXPECT_EQ(layout::control::kRetired, 1152u);
  EXPECT_EQ(layout::control::kSyncedThroughNs, 1216u);
  EXPECT_EQ(layout::control::kLeaseUntilNs, 1224u);
  EXPECT_EQ(layout::control::kState, 1280u);
  EXPECT_EQ(layout::control::kComplete, 1288u);
  EXPECT_EQ(layout::control::kCounters, 2048u);
  EXPECT_EQ(layout::kHeaderBytes, 4096u);
  EXPECT_EQ(layout::control::kCodeTags, 1536u);
  EXPECT_EQ(layout::control::kCodeTags + layout::control::kCodeTagCapacity * layout::code_tag::kBytes, 2048u);
  EXPECT_EQ(layout::record::kHeaderBytes, 96u);
  EXPECT_EQ(layout::variant::kHeaderBytes, 104u);
}

TEST(SegmentLayout, FingerprintOfVersionTwoIsFixed) {
  EXPECT_EQ(layout::fingerprint(), 0xaf9f'3792'e8a3'aef0u) << std::hex << layout::fingerprint();
}

TEST(SegmentLayout, RegionsFollowFromTheSize) {
  const layout::Regions r = layout::compute_regions(32u << 20);
  EXPECT_EQ(r.slots_offset, 4096u);
  EXPECT_EQ(r.slot_count, 131072u);
  EXPECT_EQ(r.heap_offset, 4096u + 131072u * 8u);
  EXPECT_EQ(r.heap_end(), 32u << 20);
}

TEST(SegmentLayout, SlotWordsKeepBothHalves) {
  const layout::Word word = layout::slot_word(0xABCD, RecordOffset{0x1234'5678'9AB8});
  EXPECT_EQ(word, 0xABCD'1234'5678'9AB8u);
  EXPECT_EQ(layout::slot_fingerprint(word), 0xABCD);
  EXPECT_EQ(layout::slot_record(word).value, 0x1234'5678'9AB8u);
}

TEST(SegmentLayout, ShapeWordsKeepEveryField) {
  const layout::Word word = layout::pack_shape({layout::RecordKind::kPackage, layout::KeySpace::kNode, 0x0123, 0x0045});
  EXPECT_EQ(word, 0x0000'0045'0123'0105u);
  const layout::Shape shape = layout::unpack_shape(word);
  EXPECT_EQ(shape.kind, layout::RecordKind::kPackage);
  EXPECT_EQ(shape.space, layout::KeySpace::kNode);
  EXPECT_EQ(shape.key_bytes, 0x0123);
  EXPECT_EQ(shape.token_bytes, 0x0045);
}

using GoldenSegment = SegmentFixture;

TEST_F(GoldenSegment, FirstRecordHasTheseBytes) {
  publish("a.py", "x = 1\n", "h1");
  std::ifstream in(segment_path(), std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(in)), {});
  ASSERT_EQ(bytes.size(), 1u << 20);
  const auto word = [&](std::size_t offset) {
    std::uint64_t w = 0;
    std::memcpy(&w, bytes.data() + offset, sizeof w);
    return w;
  };
  EXPECT_EQ(std::string(bytes.data(), 8), "BFRSTSEG");
  EXPECT_EQ(word(8), 2u);
  EXPECT_EQ(word(24), 1u << 20);
  EXPECT_EQ(word(1024), 1u);  // generation
  // 4096 slots of 8 bytes begin at 4096; the heap begins at 36864 with the first record.
  const std::size_t record = 36864;
  EXPECT_EQ(word(record + 0), 1u);  // created
  EXPECT_EQ(word(record + 8), 0u);  // previous
  EXPECT_EQ(word(record + 16), 96u + 8 + 8 + 8);
  EXPECT_EQ(word(record + 24), 0x0000'0002'0004'0002u);  // source, file space, 4 bytes of key, 2 of token
  EXPECT_EQ(word(record + 32), 6u);                      // content bytes
  EXPECT_EQ(word(record + 40), 0u);                      // link
  EXPECT_EQ(word(record + 80), 0u);                      // variants
  EXPECT_EQ(word(record + 88), 0u);                      // marks
  EXPECT_EQ(std::string(bytes.data() + record + 96, 8), std::string("a.py\0\0\0\0", 8));
  EXPECT_EQ(std::string(bytes.data() + record + 104, 8), std::string("h1\0\0\0\0\0\0", 8));
  EXPECT_EQ(std::string(bytes.data() + record + 112, 8), std::string("x = 1\n\0\0", 8));
}

}  // namespace
}  // namespace bifrost
