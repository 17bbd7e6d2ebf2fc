#include "agent/follow/index_events.hpp"

#include <gtest/gtest.h>

#include <initializer_list>

namespace bifrost::agent {
namespace {

// What the last of these events means.
IndexNews news_of(std::initializer_list<std::string_view> events) {
  IndexEvents index;
  IndexNews last = IndexNews::kNone;
  for (const std::string_view event : events) last = index.on_event(event);
  return last;
}

TEST(IndexEvents, MembersAreAddedAndRemoved) {
  EXPECT_EQ(news_of({"sadd"}), IndexNews::kNone);
  EXPECT_EQ(news_of({"srem"}), IndexNews::kRemoved);
  EXPECT_EQ(news_of({"spop"}), IndexNews::kRemoved);
}

TEST(IndexEvents, TheSetGoesWithItsLastMember) {
  EXPECT_EQ(news_of({"sadd", "srem", "del"}), IndexNews::kNone);
  IndexEvents index;
  index.on_event("srem");
  EXPECT_FALSE(index.emptied());
  index.on_event("del");
  EXPECT_TRUE(index.emptied());
  index.on_event("sadd");
  EXPECT_FALSE(index.emptied());
}

TEST(IndexEvents, ADeletionThatDoesNotFollowARemovalAtOnceLosesIt) {
  IndexEvents index;
  index.on_event("srem");
  index.on_something_else();
  EXPECT_EQ(index.on_event("del"), IndexNews::kLost);
  EXPECT_FALSE(index.emptied());
}

TEST(IndexEvents, WhateverElseMakesItVanishLosesIt) {
  for (const std::string_view event : {"del", "expired", "evicted", "rename_from", "rename_to", "move_from", "set",
                                       "restore", "sunionstore", "copy_to"}) {
    EXPECT_EQ(news_of({event}), IndexNews::kLost) << event;
    EXPECT_EQ(news_of({"srem", "sadd", event}), IndexNews::kLost) << event;
  }
}

TEST(IndexEvents, ADeadlineAloneChangesNothing) {
  for (const std::string_view event : {"expire", "persist", "new"})
    EXPECT_EQ(news_of({event}), IndexNews::kNone) << event;
}

}  // namespace
}  // namespace bifrost::agent
