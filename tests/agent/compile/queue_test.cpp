#include "agent/compile/queue.hpp"

#include <gtest/gtest.h>

namespace bifrost::agent {
namespace {

using Urgency = CompileQueue::Urgency;

const layout::Checksum kVersion1{1, 1};
const layout::Checksum kVersion2{2, 2};

TEST(CompileQueue, OffersSmallModulesFirst) {
  CompileQueue queue;
  queue.want("giant.py", 4'000'000, Urgency::kBacklog);
  queue.want("tiny.py", 10, Urgency::kBacklog);
  EXPECT_EQ(queue.take()->text(), "tiny.py");
  EXPECT_EQ(queue.take()->text(), "giant.py");
  EXPECT_FALSE(queue.take());
}

TEST(CompileQueue, OffersWhatJustChangedBeforeTheBacklog) {
  CompileQueue queue;
  queue.want("old.py", 10, Urgency::kBacklog);
  queue.want("edited.py", 5'000, Urgency::kFresh);
  EXPECT_EQ(queue.take()->text(), "edited.py");
}

TEST(CompileQueue, HoldsAPathOnceHoweverOftenItChanges) {
  CompileQueue queue;
  queue.want("a.py", 10, Urgency::kBacklog);
  queue.want("b.py", 20, Urgency::kBacklog);
  queue.want("a.py", 30, Urgency::kBacklog);
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue.take()->text(), "b.py") << "the newest size counts";
  EXPECT_EQ(queue.take()->text(), "a.py");
  EXPECT_TRUE(queue.empty());
}

TEST(CompileQueue, GivesUpOnAVersionThatKillsHelpersTwice) {
  CompileQueue queue;
  EXPECT_TRUE(queue.note_death("a.py", kVersion1)) << "once may be bad luck";
  EXPECT_FALSE(queue.is_poison("a.py", kVersion1));
  EXPECT_FALSE(queue.note_death("a.py", kVersion1));
  EXPECT_TRUE(queue.is_poison("a.py", kVersion1));
}

TEST(CompileQueue, GivesAnotherVersionOfAPoisonedPathItsChance) {
  CompileQueue queue;
  queue.note_death("a.py", kVersion1);
  queue.note_death("a.py", kVersion1);
  EXPECT_FALSE(queue.is_poison("a.py", kVersion2));
  EXPECT_TRUE(queue.note_death("a.py", kVersion2));
}

}  // namespace
}  // namespace bifrost::agent
