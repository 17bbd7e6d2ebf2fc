#include "agent/follow/fence_book.hpp"

#include <gtest/gtest.h>

namespace bifrost::agent {
namespace {

TEST(FenceBook, IsFulfilledOnceEverythingBeforeItsPongWasApplied) {
  FenceBook book;
  book.sent(BootTime{100});
  EXPECT_FALSE(book.take_fulfilled(RefreshQueue::kNothingPending)) << "no PONG yet";
  book.answered({7});
  EXPECT_FALSE(book.take_fulfilled({7})) << "message 7 came before the PONG and is still pending";
  EXPECT_EQ(book.take_fulfilled({8}), BootTime{100});
  EXPECT_FALSE(book.take_fulfilled(RefreshQueue::kNothingPending)) << "each fence counts once";
}

TEST(FenceBook, GivesTheNewestOfSeveral) {
  FenceBook book;
  for (std::uint64_t t : {100u, 200u, 300u}) {
    book.sent(BootTime{t});
    book.answered({t / 10});
  }
  EXPECT_EQ(book.take_fulfilled({25}), BootTime{200});
  EXPECT_EQ(book.take_fulfilled({31}), BootTime{300});
}

TEST(FenceBook, APongThatNobodyAskedForMeansNothing) {
  FenceBook book;
  book.answered({1});
  EXPECT_FALSE(book.take_fulfilled(RefreshQueue::kNothingPending));
}

}  // namespace
}  // namespace bifrost::agent
