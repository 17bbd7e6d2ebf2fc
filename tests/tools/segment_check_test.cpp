// What `verify` calls a contradiction, and what it does not.
#include "tools/cachectl/segment_check.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

#include "tests/common/segment_fixture.hpp"

namespace bifrost::cachectl {
namespace {

class SegmentCheckTest : public SegmentFixture {
 protected:
  static std::string text(int version) {
    return std::to_string(version) + std::string(100'000, static_cast<char>('a' + version % 26));
  }
  // Chunks in which a few modules will soon be all that is alive.
  void write_still_and_busy() {
    make_writer(256 << 20);
    for (int i = 0; i < 40; ++i) put("still" + std::to_string(i) + ".py", "s");
    for (int i = 0; i < 30; ++i) put("busy" + std::to_string(i) + ".py", text(i));
    commit();
  }
  // Twice, from number `first` on.
  void rewrite_busy(int first) {
    for (int version = 1; version < 3; ++version) {
      for (int i = first; i < 30; ++i) publish("busy" + std::to_string(i) + ".py", text(i + version));
    }
  }
  static std::optional<SlotNumber> slot_of(const Snapshot& snapshot, const RecordRef& record) {
    for (SlotNumber slot{0}; slot.value < snapshot.slot_count(); ++slot.value) {
      const Found found = snapshot.at_slot(slot);
      if (found.status == Lookup::kHit && found.record.address == record.address) return slot;
    }
    return std::nullopt;
  }
};

TEST_F(SegmentCheckTest, ARecordThatIsMovedWhileItIsLookedAtIsSound) {
  write_still_and_busy();
  const auto segment = attach();
  const Snapshot snapshot = segment->snapshot();
  const RecordRef before = snapshot.find_file("still7.py").record;
  const auto slot = slot_of(snapshot, before);
  ASSERT_TRUE(slot);
  rewrite_busy(1);
  let_pass(std::chrono::hours(2));
  publish("busy0.py", text(1));  // what it replaces holds its chunk for a while
  tend();
  ASSERT_NE(snapshot.find_file("still7.py").record.address, before.address) << "it has been moved";
  ASSERT_EQ(snapshot.at_address(before.address).status, Lookup::kHit) << "and is still where it was";

  SegmentCheck check(*segment, snapshot);
  EXPECT_EQ(check.check_record(*slot, before), Lookup::kHit);
  EXPECT_EQ(check.report().contradictions, 0u) << check.report().findings.front().what;
}

// Nobody tells readers of a root that has a successor where records move from then on.
TEST_F(SegmentCheckTest, WhatHasLeftARootWithASuccessorIsNotLost) {
  write_still_and_busy();
  const auto segment = attach();
  const Snapshot snapshot = segment->snapshot();
  const auto more = static_cast<int>(snapshot.slot_count());
  for (int i = 0; i < more; ++i) put("more" + std::to_string(i) + ".py", "");
  tend();
  commit();
  ASSERT_TRUE(segment->retired());
  rewrite_busy(0);
  let_pass(std::chrono::hours(2));
  tend();
  ASSERT_EQ(snapshot.find_file("still7.py").status, Lookup::kGone);

  SegmentCheck check(*segment, snapshot);
  EXPECT_EQ(check.run([](SlotNumber) {}), Lookup::kGone);
  EXPECT_EQ(check.report().contradictions, 0u);
}

TEST_F(SegmentCheckTest, ASlotWhoseKeyLeadsToAnotherVersionIsAContradiction) {
  publish("a.py", "first");
  const auto segment = attach();
  const RecordRef first = segment->snapshot().find_file("a.py").record;
  publish("a.py", "second");
  const Snapshot snapshot = segment->snapshot();
  SegmentCheck check(*segment, snapshot);
  EXPECT_EQ(check.check_record(SlotNumber{0}, first), Lookup::kHit);
  ASSERT_EQ(check.report().contradictions, 1u);
  EXPECT_EQ(check.report().findings.front().what, "a lookup does not find the record in slot 0");
}

}  // namespace
}  // namespace bifrost::cachectl
