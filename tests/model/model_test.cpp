// Every execution that C++'s memory model allows a reader beside the real writer: the truth of its generation, or
// "lost". And the same with each memory order, each fence and each ordering of the writer's stores taken away: then
// the model must fail, or it proves nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "common/reader/control_block.hpp"
#include "common/reader/snapshot.hpp"
#include "suite.hpp"

namespace bifrost::model {
namespace {

struct Protocol {
  template <class Memory>
  using Snapshot = bifrost::BasicSnapshot<Memory>;
  template <class Words>
  using Control = bifrost::BasicControlBlock<Words>;
  using Variant = bifrost::VariantRef;
};

TEST(Model, EveryExecutionGetsTheTruthOrKnowsThatItIsLost) {
  Verdict all;
  Suite().run<Protocol>([&](const std::string& name, const Verdict& verdict) {
    EXPECT_TRUE(verdict.exhausted) << name << ": more than " << kMaxRuns << " executions";
    EXPECT_EQ(verdict.violation, "") << name;
    EXPECT_GT(verdict.answered, 0u) << name << ": nothing but lost snapshots";
    std::cout << "  " << name << ": " << verdict.runs << " executions, " << verdict.looked_again << " looks again, "
              << verdict.lost << " lost" << std::endl;
    all.runs += verdict.runs;
    all.looked_again += verdict.looked_again;
    all.lost += verdict.lost;
    return true;
  });
  std::cout << "  in all " << all.runs << " executions, " << all.looked_again << " looks again, " << all.lost
            << " lost\n";
  EXPECT_GT(all.looked_again, 0u) << "no chunk was gone";
  EXPECT_GT(all.lost, 0u) << "no snapshot was lost";
}

void expect_killed(const Suite& mutant) {
  const std::string violation = mutant.first_violation<Protocol>();
  EXPECT_FALSE(violation.empty()) << "this mutant survives";
  std::cout << "  " << violation << '\n';
}

struct Weakness {
  const char* name;
  bool Weakened::*what;
};
class WeakReader : public ::testing::TestWithParam<Weakness> {};

TEST_P(WeakReader, IsNoticed) {
  Weakened weakened;
  weakened.*GetParam().what = true;
  expect_killed(Suite(weakened));
}
INSTANTIATE_TEST_SUITE_P(Without, WeakReader,
                         ::testing::Values(Weakness{"AcquireOnGeneration", &Weakened::generation},
                                           Weakness{"AcquireOnSlots", &Weakened::slots},
                                           Weakness{"AcquireOnTheCommitLog", &Weakened::commits},
                                           Weakness{"TheFenceBeforeTheCheck", &Weakened::gone},
                                           Weakness{"AcquireOnRetired", &Weakened::retired},
                                           Weakness{"AcquireOnTheTimes", &Weakened::synced},
                                           Weakness{"AcquireOnWhatIsHeld", &Weakened::held}),
                         [](const auto& instance) { return instance.param.name; });

using Stores = std::vector<Store>;
using Which = std::function<bool(const Store&, const store_log::Image&)>;

Which control(std::uint64_t offset) {
  return [offset](const Store& s, const store_log::Image& image) {
    return image.is_root() && s.is_store() && s.offset == offset;
  };
}
Which in_chunk(std::uint64_t offset) {
  return [offset](const Store& s, const store_log::Image& image) {
    return !image.is_root() && s.is_store() && s.offset == offset;
  };
}
bool is_slot(const Store& s, const store_log::Image& image) {
  return image.is_root() && s.is_store() && s.offset >= layout::kRootHeaderBytes;
}
bool is_dropped_slot(const Store& s, const store_log::Image& image) {
  return is_slot(s, image) && layout::slot_dropped(s.value);
}
bool is_fence(const Store& s, const store_log::Image&) {
  return s.order == Order::kReleaseFence;
}
bool is_attached_variant(const Store& s, const store_log::Image& image) {
  return !image.is_root() && s.order == Order::kRelease && s.offset >= layout::chunk::kHeaderBytes;
}

// Release stores made relaxed.
Forgery relaxed(Which which) {
  return [which](Stores& stores, const Script& script) {
    for (Store& s : stores) {
      if (s.order == Order::kRelease && which(s, script.log().images()[s.image])) s.order = Order::kRelaxed;
    }
  };
}
// Each `which` from the script's beginning on is made before the last `other` before it.
Forgery before(Which which, Which other) {
  return [which, other](Stores& stores, const Script& script) {
    const auto& images = script.log().images();
    for (std::size_t i = script.begin; i < stores.size(); ++i) {
      if (!which(stores[i], images[stores[i].image])) continue;
      std::size_t to = i;
      while (to > script.begin && !other(stores[to], images[stores[to].image])) --to;
      const auto at = [&stores](std::size_t n) { return stores.begin() + static_cast<std::ptrdiff_t>(n); };
      if (to > script.begin) std::rotate(at(to), at(i), at(i + 1));
    }
  };
}

TEST(WeakWriter, WithoutReleaseOnGeneration) {
  expect_killed(Suite({}, relaxed(control(layout::control::kGeneration))));
}
TEST(WeakWriter, WithoutReleaseOnSlots) {
  expect_killed(Suite({}, relaxed(is_slot)));
}
TEST(WeakWriter, WithoutReleaseOnTheCommitLog) {
  expect_killed(Suite({}, relaxed(control(layout::control::kLastCommit))));
}
TEST(WeakWriter, WithoutReleaseOnVariants) {
  expect_killed(Suite({}, relaxed(is_attached_variant)));
}
TEST(WeakWriter, WithoutReleaseOnRetired) {
  expect_killed(Suite({}, relaxed(control(layout::control::kRetired))));
}
TEST(WeakWriter, WithoutReleaseOnSyncedThrough) {
  expect_killed(Suite({}, relaxed(control(layout::control::kSyncedThroughNs))));
}
TEST(WeakWriter, WithoutReleaseOnHeldSince) {
  expect_killed(Suite({}, relaxed(control(layout::control::kHeldSinceNs))));
}
TEST(WeakWriter, TimesBeforeWhatIsHeldBack) {
  const Which is_time = control(layout::control::kSyncedThroughNs);
  expect_killed(Suite({}, before(is_time, control(layout::control::kHeldSinceNs))));
}
TEST(WeakWriter, WithoutReleaseOnLeaseUntil) {
  expect_killed(Suite({}, relaxed(control(layout::control::kLeaseUntilNs))));
}
TEST(WeakWriter, WithoutReleaseOnGone) {
  expect_killed(Suite({}, relaxed(in_chunk(layout::chunk::kGone))));
}
TEST(WeakWriter, WithoutTheFenceBeforeMemoryIsGivenBack) {
  expect_killed(Suite({}, [](Stores& stores, const Script&) {
    // A store of nothing in its place: relaxed, to a word that nobody reads.
    for (Store& s : stores) {
      if (s.order == Order::kReleaseFence) s = {s.image, layout::kPageBytes - 8, 0, Order::kRelaxed};
    }
  }));
}
TEST(WeakWriter, ThatSaysGoneAfterTheFence) {
  expect_killed(Suite({}, before(is_fence, in_chunk(layout::chunk::kGone))));
}
TEST(WeakWriter, ThatGivesAChunkBackBeforeTheSlotsLeadElsewhere) {
  expect_killed(Suite({}, [](Stores& stores, const Script& script) {
    const auto& images = script.log().images();
    const Which published = control(layout::control::kGeneration);
    std::size_t from = script.begin;  // of what is moved after the last commit
    for (std::size_t i = script.begin; i < stores.size(); ++i) {
      if (published(stores[i], images[stores[i].image])) from = i + 1;
      if (!is_fence(stores[i], images[stores[i].image])) continue;
      std::size_t zeros_end = i + 1;
      while (zeros_end < stores.size() && stores[zeros_end].image == stores[i].image) ++zeros_end;
      const auto at = [&stores](std::size_t n) { return stores.begin() + static_cast<std::ptrdiff_t>(n); };
      std::stable_partition(at(from), at(zeros_end), [&](const Store& s) { return !is_slot(s, images[s.image]); });
      i = from = zeros_end;
    }
  }));
}
TEST(WeakWriter, ThatNeverGivesUpSnapshots) {
  expect_killed(Suite({}, [](Stores& stores, const Script& script) {
    const Which oldest = control(layout::control::kOldestGeneration);
    for (Store& s : stores) {
      if (oldest(s, script.log().images()[s.image])) s.value = 0;
    }
  }));
}
TEST(WeakWriter, ThatGivesUpOneGenerationTooFew) {
  expect_killed(Suite({}, [](Stores& stores, const Script& script) {
    const Which oldest = control(layout::control::kOldestGeneration);
    for (Store& s : stores) {
      if (oldest(s, script.log().images()[s.image]) && s.value != 0) --s.value;
    }
  }));
}
TEST(WeakWriter, ThatGivesUpSnapshotsAfterASlotIsDropped) {
  expect_killed(Suite({}, [](Stores& stores, const Script& script) {
    const auto& images = script.log().images();
    const Which oldest = control(layout::control::kOldestGeneration);
    const auto is_oldest = [&](const Store& s) { return oldest(s, images[s.image]); };
    const auto from = stores.begin() + static_cast<std::ptrdiff_t>(script.begin);
    const auto first = std::find_if(from, stores.end(), is_oldest);
    std::stable_partition(first, stores.end(), [&](const Store& s) { return is_dropped_slot(s, images[s.image]); });
  }));
}
TEST(WeakWriter, ThatPublishesTheGenerationBeforeTheLastSlot) {
  expect_killed(Suite({}, before(control(layout::control::kGeneration), is_slot)));
}
TEST(WeakWriter, ThatPublishesSlotsBeforeTheirRecords) {
  expect_killed(Suite({}, before(is_slot, in_chunk(layout::chunk::kUsedBytes))));
}
TEST(WeakWriter, ThatRetiresBeforeTheSuccessorHasTheName) {
  expect_killed(Suite({}, before(control(layout::control::kRetired), [](const Store& s, const store_log::Image& image) {
                        return s.order == Order::kNamed && image.is_root();
                      })));
}
TEST(WeakWriter, ThatGivesTheLeaseBeforeItsTime) {
  expect_killed(Suite({}, before(control(layout::control::kLeaseUntilNs), control(layout::control::kSyncedThroughNs))));
}
TEST(WeakWriter, ThatLacksNamesBeforeItSaysSo) {
  expect_killed(Suite({}, before(control(layout::control::kGeneration), control(layout::control::kComplete))));
}
TEST(WeakWriter, ThatIsCompleteSinceOneGenerationTooEarly) {
  expect_killed(Suite({}, [](Stores& stores, const Script& script) {
    const Which complete = control(layout::control::kComplete);
    for (Store& s : stores) {
      if (complete(s, script.log().images()[s.image]) && s.value != 0) --s.value;
    }
  }));
}

}  // namespace
}  // namespace bifrost::model
