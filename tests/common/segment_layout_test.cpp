// The layout spelled out a second time, in literal numbers: a change without a new layout version fails here.
#include "common/layout/segment_layout.hpp"

#include <cstring>
#include <fstream>
#include <string>

#include "common/layout/counters.hpp"
#include "segment_fixture.hpp"

namespace bifrost {
namespace {

TEST(SegmentLayout, VersionThreeHasTheseOffsets) {
  ASSERT_EQ(layout::kLayoutVersion, 3u) << "a new version needs new numbers here and in docs/shm-layout.md";
  EXPECT_EQ(layout::prefix::kMagic, 0u);
  EXPECT_EQ(layout::prefix::kLayoutVersion, 8u);
  EXPECT_EQ(layout::prefix::kFingerprint, 16u);
  EXPECT_EQ(layout::prefix::kTotalBytes, 24u);
  EXPECT_EQ(layout::header::kStoreLow, 32u);
  EXPECT_EQ(layout::header::kSlotsOffset, 64u);
  EXPECT_EQ(layout::header::kSlotCount, 72u);
  EXPECT_EQ(layout::header::kChunkBase, 80u);
  EXPECT_EQ(layout::header::kEpoch, 96u);
  EXPECT_EQ(layout::header::kBootLow, 128u);
  EXPECT_EQ(layout::header::kTimeNamespace, 144u);
  EXPECT_EQ(layout::control::kGeneration, 1024u);
  EXPECT_EQ(layout::control::kOldestGeneration, 1088u);
  EXPECT_EQ(layout::control::kRetired, 1152u);
  EXPECT_EQ(layout::control::kSyncedThroughNs, 1216u);
  EXPECT_EQ(layout::control::kLeaseUntilNs, 1224u);
  EXPECT_EQ(layout::control::kState, 1280u);
  EXPECT_EQ(layout::control::kComplete, 1288u);
  EXPECT_EQ(layout::control::kLastCommit, 1424u);
  EXPECT_EQ(layout::control::kChunksBegun, 1432u);
  EXPECT_EQ(layout::control::kRunId, 1456u);
  EXPECT_EQ(layout::control::kCuts, 1512u);
  EXPECT_EQ(layout::control::kHeldSinceNs, 1520u);
  EXPECT_EQ(layout::control::kCounters, 2048u);
  EXPECT_EQ(layout::control::kCodeTags, 1536u);
  EXPECT_EQ(layout::control::kCodeTags + layout::control::kCodeTagCapacity * layout::code_tag::kBytes, 2048u);
  EXPECT_EQ(layout::kRootHeaderBytes, 4096u);
  EXPECT_EQ(layout::chunk::kNumber, 48u);
  EXPECT_EQ(layout::chunk::kUsedBytes, 64u);
  EXPECT_EQ(layout::chunk::kGone, 72u);
  EXPECT_EQ(layout::chunk::kHeaderBytes, 4096u);
  EXPECT_EQ(layout::record::kHeaderBytes, 96u);
  EXPECT_EQ(layout::variant::kHeaderBytes, 104u);
  EXPECT_EQ(layout::commit::kHeaderBytes, 16u);
}

TEST(SegmentLayout, FingerprintOfVersionThreeIsFixed) {
  EXPECT_EQ(layout::fingerprint(), 0xf5c0'152b'6492'bd16u) << std::hex << layout::fingerprint();
}

TEST(SegmentLayout, AddressesKeepBothHalves) {
  const Address at(ChunkNumber{0x12'3456'789a}, 0x7ff'fff8);
  EXPECT_EQ(at.value, 0x123456789affffffu);
  EXPECT_EQ(at.chunk().value, 0x12'3456'789au);
  EXPECT_EQ(at.offset(), 0x7ff'fff8u);
}

TEST(SegmentLayout, SlotWordsCountChunksFromTheirBase) {
  const ChunkNumber base{0x12'3456'0000};
  const Address at(ChunkNumber{0x12'3456'789a}, 0x1000);
  const layout::Word word = layout::slot_word(0xABCD, at, base);
  EXPECT_EQ(word, 0xABCD'0078'9a00'0200u);
  EXPECT_EQ(layout::slot_fingerprint(word), 0xABCD);
  EXPECT_EQ(layout::slot_record(word, base), at);
  EXPECT_FALSE(layout::slot_dropped(word));
  EXPECT_TRUE(layout::slot_dropped(layout::dropped_slot_word(0)));
  EXPECT_NE(layout::dropped_slot_word(0), 0u) << "an empty slot ends a probe";
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

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::uint64_t word_in(const std::string& bytes, std::size_t offset) {
  std::uint64_t w = 0;
  std::memcpy(&w, bytes.data() + offset, sizeof w);
  return w;
}

TEST_F(GoldenSegment, RootAndFirstRecordHaveTheseBytes) {
  publish("a.py", "x = 1\n", "h1");
  const std::string root = bytes_of(segment_path());
  ASSERT_EQ(root.size(), 4096u + 4'096u * 8u);
  EXPECT_EQ(root.substr(0, 8), "BFRSTSEG");
  EXPECT_EQ(word_in(root, 8), 3u);
  EXPECT_EQ(word_in(root, 24), root.size());
  EXPECT_EQ(word_in(root, 72), 4'096u);
  EXPECT_EQ(word_in(root, 80), 0u);    // chunk base
  EXPECT_EQ(word_in(root, 1024), 1u);  // generation
  const std::string chunk = bytes_of(path_in(dir_, "chunk.1"));
  EXPECT_EQ(chunk.substr(0, 8), "BFRSCHNK");
  EXPECT_EQ(word_in(chunk, 8), 3u);
  EXPECT_EQ(word_in(chunk, 24), chunk.size());
  EXPECT_EQ(word_in(chunk, 32), word_in(root, 32));  // of the same store
  EXPECT_EQ(word_in(chunk, 40), word_in(root, 40));
  EXPECT_EQ(word_in(chunk, 48), 1u);
  EXPECT_EQ(word_in(chunk, 72), 0u);  // not gone
  // The first record begins behind the header page, at word 512: address 1 << 24 | 512.
  const std::uint64_t hash = layout::hash_key(layout::KeySpace::kFile, "a.py").value;
  EXPECT_EQ(word_in(root, 4096 + hash % 4'096 * 8), (hash & 0xffff'0000'0000'0000) | 0x100'0200);
  const std::size_t record = 4096;
  EXPECT_EQ(word_in(chunk, record + 0), (std::uint64_t{1} << 56) + 96 + 8 + 8 + 8);
  EXPECT_EQ(word_in(chunk, record + 8), 1u);                       // created
  EXPECT_EQ(word_in(chunk, record + 16), 0u);                      // previous
  EXPECT_EQ(word_in(chunk, record + 24), 0x0000'0002'0004'0002u);  // source, file space, 4 bytes of key, 2 of token
  EXPECT_EQ(word_in(chunk, record + 32), 6u);                      // content bytes
  EXPECT_EQ(word_in(chunk, record + 40), 0u);                      // link
  EXPECT_EQ(word_in(chunk, record + 80), 0u);                      // variants
  EXPECT_EQ(word_in(chunk, record + 88), 0u);                      // marks
  EXPECT_EQ(chunk.substr(record + 96, 8), std::string("a.py\0\0\0\0", 8));
  EXPECT_EQ(chunk.substr(record + 104, 8), std::string("h1\0\0\0\0\0\0", 8));
  EXPECT_EQ(chunk.substr(record + 112, 8), std::string("x = 1\n\0\0", 8));
  // Behind it the directory "", with 4 bytes of listing; then the node `a`, which names its file by hash.
  EXPECT_EQ(word_in(chunk, record + 120 + 24) & 0xffff, 0x0106u);  // namespace, node space
  const std::size_t node = record + 120 + 104;
  EXPECT_EQ(word_in(chunk, node + 24) & 0xffff, 0x0104u);  // module, node space
  EXPECT_EQ(word_in(chunk, node + 40), hash);
}

TEST_F(GoldenSegment, ACommitNamesWhatItChanged) {
  publish("a.py", "x = 1\n", "h1");
  const std::string chunk = bytes_of(path_in(dir_, "chunk.1"));
  const Address commit(word_in(bytes_of(segment_path()), 1424));
  ASSERT_EQ(commit.chunk().value, 1u);
  const std::size_t record = commit.offset();
  EXPECT_EQ(word_in(chunk, record + 8), 1u);         // the generation that it is about
  EXPECT_EQ(word_in(chunk, record + 24), 0x0207u);   // commit, log space
  EXPECT_EQ(word_in(chunk, record + 32), 16u + 8u);  // content bytes
  EXPECT_EQ(word_in(chunk, record + 96 + 8), 1u);    // one change
  EXPECT_EQ(word_in(chunk, record + 96 + 16), 0x100'0200u);
}

}  // namespace
}  // namespace bifrost
