// The explorer itself: the classic litmus tests, of which C++ allows exactly these outcomes.
#include "explorer.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace bifrost::model {
namespace {

constexpr std::uint64_t kX = 0;
constexpr std::uint64_t kY = 8;

Store store(std::uint64_t offset, layout::Word value, Order order = Order::kRelaxed) {
  return {0, offset, value, order};
}
Store fence() {
  return {0, 0, 0, Order::kReleaseFence};
}

// The outcomes, as text, of a reader in every execution beside a writer that makes `stores`.
template <class Run>
std::set<std::string> outcomes(std::vector<Store> stores, Run run) {
  const std::vector<store_log::Image> images(1);
  const History history(std::move(stores), images);
  std::set<std::string> all;
  Choices choices;
  do {
    Reader reader(history, choices, 0);
    all.insert(run(reader));
  } while (choices.next());
  return all;
}

// Loads y, then x.
std::string y_then_x(Reader& reader, bool acquire, bool with_fence) {
  const std::string y = std::to_string(reader.load(0, kY, acquire));
  if (with_fence) reader.fence_acquire();
  return y + std::to_string(reader.load(0, kX, false));
}

using Outcomes = std::set<std::string>;

TEST(Explorer, ReleaseAndAcquirePassAMessage) {
  EXPECT_EQ(outcomes({store(kX, 1), store(kY, 1, Order::kRelease)}, [](Reader& r) { return y_then_x(r, true, false); }),
            (Outcomes{"00", "01", "11"}));
}

TEST(Explorer, FencesPassAMessage) {
  EXPECT_EQ(outcomes({store(kX, 1), fence(), store(kY, 1)}, [](Reader& r) { return y_then_x(r, false, true); }),
            (Outcomes{"00", "01", "11"}));
}

TEST(Explorer, AnAcquireLoadHearsAReleaseFenceAndAFenceHearsAReleaseStore) {
  EXPECT_EQ(outcomes({store(kX, 1), fence(), store(kY, 1)}, [](Reader& r) { return y_then_x(r, true, false); }),
            (Outcomes{"00", "01", "11"}));
  EXPECT_EQ(outcomes({store(kX, 1), store(kY, 1, Order::kRelease)}, [](Reader& r) { return y_then_x(r, false, true); }),
            (Outcomes{"00", "01", "11"}));
}

TEST(Explorer, WithoutEitherEndTheMessageMayBeMissed) {
  const Outcomes everything{"00", "01", "10", "11"};
  EXPECT_EQ(outcomes({store(kX, 1), store(kY, 1)}, [](Reader& r) { return y_then_x(r, true, true); }), everything);
  EXPECT_EQ(
      outcomes({store(kX, 1), store(kY, 1, Order::kRelease)}, [](Reader& r) { return y_then_x(r, false, false); }),
      everything);
  EXPECT_EQ(outcomes({store(kX, 1), fence(), store(kY, 1)}, [](Reader& r) { return y_then_x(r, false, false); }),
            everything);
}

TEST(Explorer, AReleaseStoreSaysNothingOfWhatComesAfterIt) {
  EXPECT_EQ(outcomes({store(kY, 1, Order::kRelease), store(kX, 1)}, [](Reader& r) { return y_then_x(r, true, true); }),
            (Outcomes{"00", "01", "10", "11"}));
}

TEST(Explorer, OneWordNeverGoesBack) {
  EXPECT_EQ(outcomes({store(kX, 1), store(kX, 2)},
                     [](Reader& r) {
                       const std::string first = std::to_string(r.load(0, kX, false));
                       return first + std::to_string(r.load(0, kX, false));
                     }),
            (Outcomes{"00", "01", "02", "11", "12", "22"}));
}

TEST(Explorer, EqualValuesThatTellMoreDoNotHideThoseThatTellLess) {
  // y is 1 twice; only the first of them tells of x.
  EXPECT_EQ(outcomes({store(kX, 1), store(kY, 1, Order::kRelease), store(kY, 2), store(kY, 1)},
                     [](Reader& r) { return y_then_x(r, true, false); }),
            (Outcomes{"00", "01", "10", "11", "20", "21"}));
}

}  // namespace
}  // namespace bifrost::model
