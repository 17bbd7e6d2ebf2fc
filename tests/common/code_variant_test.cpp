// Compiled code in the segment: whose it is, how long it stays, and what damage to it costs.
#include <map>

#include "segment_fixture.hpp"

namespace bifrost {
namespace {

const CodeTag kPython311("cpython-311", 0x0a0d'0da7, 0);
const CodeTag kPython313("cpython-313", 0x0a0d'0df3, 0);

class CodeVariantTest : public SegmentFixture {
 protected:
  Attach attach_code(const std::string& path, const std::string& source, const CodeTag& tag, const std::string& code) {
    return writer().attach_code(path, layout::content_digest(source), tag, code);
  }

  // What a worker of that interpreter would hand to marshal.
  static std::string code(const Snapshot& snapshot, const std::string& path, const CodeTag& tag) {
    const Found found = snapshot.find_file(path);
    if (found.status != Lookup::kHit) return name_of(found.status);
    VariantRef variant;
    const Lookup status = snapshot.find_variant(found.record, path, tag, variant);
    if (status != Lookup::kHit) return name_of(status);
    std::string bytes(variant.code_bytes, '\0');
    const Lookup read = snapshot.read_code(variant, bytes.data());
    return read == Lookup::kHit ? bytes : name_of(read);
  }
  std::string code(const std::string& path, const CodeTag& tag = kPython311) {
    return code(attach()->snapshot(), path, tag);
  }
  std::map<std::string, std::uint64_t> shares() {
    std::map<std::string, std::uint64_t> by_name;
    for (const SegmentInfo::Code& c : attach()->info().code) by_name[c.tag.name()] = c.modules;
    return by_name;
  }
};

TEST_F(CodeVariantTest, IsThereForTheInterpreterThatItWasMadeForAndForNoOther) {
  publish("a.py", "x = 1");
  EXPECT_EQ(code("a.py"), "<miss>");
  EXPECT_EQ(attach_code("a.py", "x = 1", kPython311, "code311"), Attach::kAttached);
  EXPECT_EQ(attach_code("a.py", "x = 1", kPython313, "code of 313"), Attach::kAttached);
  EXPECT_EQ(attach_code("a.py", "x = 1", kPython311, "again"), Attach::kPresent);
  EXPECT_EQ(code("a.py", kPython311), "code311");
  EXPECT_EQ(code("a.py", kPython313), "code of 313");
  EXPECT_EQ(code("a.py", CodeTag("cpython-311", 0x0a0d'0da8, 0)), "<miss>") << "another magic number";
  EXPECT_EQ(code("a.py", CodeTag("cpython-311", 0x0a0d'0da7, 1)), "<miss>") << "another optimisation level";
}

TEST_F(CodeVariantTest, ReachesSnapshotsThatAreAlreadyTaken) {
  publish("a.py", "x = 1");
  const auto segment = attach();
  const Snapshot pinned = segment->snapshot();
  attach_code("a.py", "x = 1", kPython311, "code");
  EXPECT_EQ(code(pinned, "a.py", kPython311), "code");
}

TEST_F(CodeVariantTest, OfAnotherVersionIsNotAttached) {
  publish("a.py", "x = 1");
  publish("a.py", "x = 2");
  EXPECT_EQ(attach_code("a.py", "x = 1", kPython311, "old"), Attach::kOutdated);
  EXPECT_EQ(attach_code("b.py", "x = 1", kPython311, "none"), Attach::kOutdated);
  EXPECT_EQ(code("a.py"), "<miss>");
}

TEST_F(CodeVariantTest, BelongsToItsVersionOnly) {
  publish("a.py", "x = 1");
  attach_code("a.py", "x = 1", kPython311, "one");
  const auto segment = attach();
  const Snapshot before = segment->snapshot();
  publish("a.py", "x = 2");
  EXPECT_EQ(code(before, "a.py", kPython311), "one");
  EXPECT_EQ(code("a.py"), "<miss>");
  attach_code("a.py", "x = 2", kPython311, "two");
  EXPECT_EQ(code("a.py"), "two");
}

TEST_F(CodeVariantTest, StaysWhenOnlyTheTokenChanges) {
  publish("a.py", "x = 1", "h1");
  attach_code("a.py", "x = 1", kPython311, "code");
  const std::uint64_t used = attach()->info().code_bytes;
  publish("a.py", "x = 1", "h2");
  EXPECT_EQ(code("a.py"), "code");
  EXPECT_EQ(attach()->info().code_bytes, used);
  EXPECT_EQ(shares(), (std::map<std::string, std::uint64_t>{{"cpython-311", 1}}));
}

TEST_F(CodeVariantTest, IsCountedPerInterpreter) {
  publish("a.py", "a = 1");
  publish("b.py", "b = 1");
  attach_code("a.py", "a = 1", kPython311, "a");
  attach_code("b.py", "b = 1", kPython311, "b");
  attach_code("b.py", "b = 1", kPython313, "b");
  EXPECT_EQ(shares(), (std::map<std::string, std::uint64_t>{{"cpython-311", 2}, {"cpython-313", 1}}));
  writer().remove("b.py");
  publish("a.py", "a = 2");
  EXPECT_EQ(shares(), (std::map<std::string, std::uint64_t>{{"cpython-311", 0}, {"cpython-313", 0}}));
  EXPECT_EQ(attach()->info().code_bytes, 0u);
}

TEST_F(CodeVariantTest, MovesWithItsSource) {
  make_writer(256 << 20);
  publish("a.py", "x = 1");
  attach_code("a.py", "x = 1", kPython311, "code");
  attach_code("a.py", "x = 1", kPython313, "other code");
  const Address before = attach()->snapshot().find_file("a.py").record.address;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 30; ++i)
      publish("b" + std::to_string(i) + ".py", std::string(100'000, static_cast<char>('a' + round)));
  }
  let_pass(std::chrono::hours(2));
  tend();
  EXPECT_NE(attach()->snapshot().find_file("a.py").record.address, before);
  EXPECT_EQ(code("a.py"), "code");
  EXPECT_EQ(code("a.py", kPython313), "other code");
  EXPECT_EQ(shares(), (std::map<std::string, std::uint64_t>{{"cpython-311", 1}, {"cpython-313", 1}}));
}

TEST_F(CodeVariantTest, GivesWayToSources) {
  make_writer(1 << 20);
  publish("a.py", "x = 1");
  EXPECT_EQ(attach_code("a.py", "x = 1", kPython311, std::string(500'000, 'c')), Attach::kAttached);
  publish("b.py", std::string(600'000, '#'));
  EXPECT_EQ(attach()->info().not_mirrored, 0u);
  EXPECT_EQ(code("a.py").substr(0, 10), "<miss>");
  EXPECT_EQ(source(attach()->snapshot(), "a.py"), "x = 1");
  EXPECT_EQ(shares(), (std::map<std::string, std::uint64_t>{{"cpython-311", 0}}));
  EXPECT_EQ(attach_code("a.py", "x = 1", kPython311, std::string(500'000, 'c')), Attach::kNoRoom);
}

TEST_F(CodeVariantTest, GivesWayToTheNextVersionOfItsOwnSource) {
  make_writer(1 << 20);
  publish("a.py", "x = 1");
  EXPECT_EQ(attach_code("a.py", "x = 1", kPython311, std::string(500'000, 'c')), Attach::kAttached);
  publish("a.py", std::string(600'000, '#'));
  EXPECT_EQ(attach()->info().not_mirrored, 0u);
  EXPECT_EQ(shares(), (std::map<std::string, std::uint64_t>{{"cpython-311", 0}}));
}

// Those with the most code may be modules for which there is no room elsewhere.
TEST_F(CodeVariantTest, AllOfItGoesBeforeASourceIsLeftOut) {
  make_writer(8 << 20);
  const std::string giant(2 << 20, '#');
  publish("giant.py", giant);
  EXPECT_EQ(attach_code("giant.py", giant, kPython311, std::string(1 << 20, 'c')), Attach::kAttached);
  for (int i = 0; i < 100; ++i) {
    const std::string name = "small" + std::to_string(i) + ".py";
    publish(name, name);
    EXPECT_EQ(attach_code(name, name, kPython311, std::string(5'000, 'c')), Attach::kAttached);
  }
  int stored = 0;
  while (writer().put_source("filler" + std::to_string(stored) + ".py", std::string(100'000, 'f'), "h") ==
         Put::kStaged) {
    commit();
    ASSERT_LT(++stored, 100);
  }
  commit();
  EXPECT_EQ(shares(), (std::map<std::string, std::uint64_t>{{"cpython-311", 0}}));
  EXPECT_FALSE(writer().starved());
  EXPECT_GT(stored * 100'000, 4'500'000) << "8 MiB, less the giant, the slots and the headroom";
  EXPECT_EQ(source(attach()->snapshot(), "giant.py"), giant);
  EXPECT_EQ(source(attach()->snapshot(), "small7.py"), "small7.py");
}

TEST_F(CodeVariantTest, ItsMemoryIsGivenBackWithItsVersionAndNoEarlier) {
  make_writer(1 << 20);
  publish("a.py", "0");
  const std::string big(150'000, 'c');  // has a chunk of its own
  attach_code("a.py", "0", kPython311, big + "0");
  const auto segment = attach();
  const Snapshot pinned = segment->snapshot();
  for (int version = 1; version < 40; ++version) {
    const std::string text = std::to_string(version);
    publish("a.py", text);
    ASSERT_EQ(attach_code("a.py", text, kPython311, big + text), Attach::kAttached) << version;
    const std::string seen = code(pinned, "a.py", kPython311);
    ASSERT_TRUE(seen == big + "0" || (seen == "<gone>" && !pinned.kept())) << version;
    ASSERT_EQ(code("a.py"), big + text);
  }
  EXPECT_EQ(code(pinned, "a.py", kPython311), "<gone>");
}

TEST_F(CodeVariantTest, WithAnyByteFlippedIsNeverHandedOut) {
  publish("a.py", "x = 1");
  attach_code("a.py", "x = 1", kPython311, "some code");
  const auto segment = attach();
  const RecordRef record = segment->snapshot().find_file("a.py").record;
  VariantRef variant;
  ASSERT_EQ(segment->snapshot().find_variant(record, "a.py", kPython311, variant), Lookup::kHit);
  // kNext is not vouched for: it can only lead to something else that must vouch for itself.
  const std::uint64_t end = layout::variant::kHeaderBytes + 8;
  for (std::uint64_t offset = 0; offset < end; offset += 8) {
    if (offset == layout::variant::kNext) continue;
    const layout::Word good = peek(variant.address, offset);
    for (unsigned bit = 0; bit < 64; ++bit) {
      poke(variant.address, offset, good ^ layout::Word{1} << bit);
      const std::string got = code(segment->snapshot(), "a.py", kPython311);
      ASSERT_TRUE(got == "<damaged>" || got == "<miss>") << "offset " << offset << " bit " << bit << ": " << got;
    }
    poke(variant.address, offset, good);
  }
  EXPECT_EQ(code(segment->snapshot(), "a.py", kPython311), "some code");
}

TEST_F(CodeVariantTest, OfAnotherModuleIsRefused) {
  publish("a.py", "x = 1");
  publish("b.py", "x = 1");  // the same source, but co_filename is another
  publish("c.py", "x = 3");
  attach_code("a.py", "x = 1", kPython311, "a");
  attach_code("b.py", "x = 1", kPython311, "b");
  attach_code("c.py", "x = 3", kPython311, "c");
  const auto segment = attach();
  const auto record_of = [&](const char* path) { return segment->snapshot().find_file(path).record.address; };
  for (const char* other : {"b.py", "c.py"}) {
    poke(record_of("a.py"), layout::record::kVariants, peek(record_of(other), layout::record::kVariants));
    EXPECT_EQ(code(segment->snapshot(), "a.py", kPython311), "<damaged>") << other;
  }
}

TEST_F(CodeVariantTest, ListsForgedIntoCyclesEnd) {
  publish("a.py", "x = 1");
  attach_code("a.py", "x = 1", kPython311, "a");
  const auto segment = attach();
  const Address variant(peek(segment->snapshot().find_file("a.py").record.address, layout::record::kVariants));
  poke(variant, layout::variant::kNext, variant.value);
  EXPECT_EQ(code(segment->snapshot(), "a.py", kPython313), "<miss>");
}

TEST_F(CodeVariantTest, TagsAreLimitedInNumber) {
  publish("a.py", "x = 1");
  for (std::uint8_t i = 0; i < layout::control::kCodeTagCapacity; ++i) {
    EXPECT_TRUE(writer().announce_tag(CodeTag("cpython-311", i, 0)));
  }
  EXPECT_FALSE(writer().announce_tag(kPython313));
  EXPECT_EQ(attach_code("a.py", "x = 1", kPython313, "code"), Attach::kNoRoom);
  EXPECT_EQ(attach()->info().code.size(), layout::control::kCodeTagCapacity);
}

}  // namespace
}  // namespace bifrost
