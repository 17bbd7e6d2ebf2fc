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
  template <class Words>
  using Snapshot = bifrost::BasicSnapshot<Words>;
  template <class Words>
  using Control = bifrost::BasicControlBlock<Words>;
  using Variant = bifrost::VariantRef;
};

TEST(Model, EveryExecutionGetsTheTruthOrKnowsThatItIsLost) {
  std::uint64_t runs = 0;
  std::uint64_t lost = 0;
  Suite().run<Protocol>([&](const std::string& name, const Verdict& verdict) {
    EXPECT_TRUE(verdict.exhausted) << name << ": more than " << kMaxRuns << " executions";
    EXPECT_EQ(verdict.violation, "") << name;
    EXPECT_GT(verdict.answered, 0u) << name << ": nothing but lost snapshots";
    std::cout << "  " << name << ": " << verdict.runs << " executions, " << verdict.lost << " lost" << std::endl;
    runs += verdict.runs;
    lost += verdict.lost;
    return true;
  });
  std::cout << "  in all " << runs << " executions, " << lost << " lost\n";
  EXPECT_GT(lost, 0u) << "no snapshot was lost: the scripts do not reuse memory";
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
                                           Weakness{"AcquireOnVariants", &Weakened::variants},
                                           Weakness{"TheFenceBeforeTheCheck", &Weakened::fence},
                                           Weakness{"AcquireOnRetired", &Weakened::retired},
                                           Weakness{"AcquireOnTheTimes", &Weakened::synced},
                                           Weakness{"AcquireOnComplete", &Weakened::complete}),
                         [](const auto& instance) { return instance.param.name; });

bool is_slot(const Store& s) {
  return s.offset >= layout::kHeaderBytes && s.offset < layout::compute_regions(1 << 20).heap_offset;
}
// A release store to the word at `offset`, made relaxed.
Forgery relaxed(std::uint64_t offset) {
  return [offset](std::vector<Store>& stores, std::size_t) {
    for (Store& s : stores) {
      if (s.offset == offset && s.order == StoreOrder::kRelease) s.order = StoreOrder::kRelaxed;
    }
  };
}

TEST(WeakWriter, WithoutReleaseOnGeneration) {
  expect_killed(Suite({}, relaxed(layout::control::kGeneration)));
}
TEST(WeakWriter, WithoutReleaseOnSlots) {
  expect_killed(Suite({}, [](std::vector<Store>& stores, std::size_t) {
    for (Store& s : stores) {
      if (is_slot(s)) s.order = StoreOrder::kRelaxed;
    }
  }));
}
TEST(WeakWriter, WithoutReleaseOnVariants) {
  expect_killed(Suite({}, [](std::vector<Store>& stores, std::size_t) {
    for (Store& s : stores) {
      if (s.order == StoreOrder::kRelease && s.offset >= layout::compute_regions(1 << 20).heap_offset) {
        s.order = StoreOrder::kRelaxed;
      }
    }
  }));
}
TEST(WeakWriter, WithoutTheFenceBeforeReuse) {
  expect_killed(Suite({}, [](std::vector<Store>& stores, std::size_t) {
    for (Store& s : stores) {
      if (s.order == StoreOrder::kReleaseFence)
        s = {s.image, s.named, layout::kHeaderBytes - 8, 0, StoreOrder::kRelaxed};
    }
  }));
}
TEST(WeakWriter, WithoutReleaseOnRetired) {
  expect_killed(Suite({}, relaxed(layout::control::kRetired)));
}
TEST(WeakWriter, WithoutReleaseOnSyncedThrough) {
  expect_killed(Suite({}, relaxed(layout::control::kSyncedThroughNs)));
}
TEST(WeakWriter, WithoutReleaseOnLeaseUntil) {
  expect_killed(Suite({}, relaxed(layout::control::kLeaseUntilNs)));
}
TEST(WeakWriter, WithoutReleaseOnComplete) {
  expect_killed(Suite({}, relaxed(layout::control::kComplete)));
}
TEST(WeakWriter, ThatNeverGivesUpSnapshots) {
  expect_killed(Suite({}, [](std::vector<Store>& stores, std::size_t) {
    for (Store& s : stores) {
      if (s.offset == layout::control::kOldestGeneration) s.value = 0;
    }
  }));
}
TEST(WeakWriter, ThatGivesUpOneGenerationTooFew) {
  expect_killed(Suite({}, [](std::vector<Store>& stores, std::size_t begin) {
    for (std::size_t i = begin; i < stores.size(); ++i) {
      if (stores[i].offset == layout::control::kOldestGeneration) --stores[i].value;
    }
  }));
}
TEST(WeakWriter, ThatPublishesTheGenerationBeforeTheLastSlot) {
  expect_killed(Suite({}, [](std::vector<Store>& stores, std::size_t begin) {
    for (std::size_t i = stores.size() - 1; i > begin; --i) {
      if (stores[i].offset == layout::control::kGeneration) std::swap(stores[i], stores[i - 1]);
    }
  }));
}
TEST(WeakWriter, ThatPublishesSlotsBeforeTheirRecords) {
  expect_killed(Suite({}, [](std::vector<Store>& stores, std::size_t begin) {
    for (std::size_t i = begin; i < stores.size(); ++i) {
      if (stores[i].order != StoreOrder::kRelease || !is_slot(stores[i])) continue;
      std::size_t first = i;
      while (stores[first].offset != layout::slot_record(stores[i].value).value) --first;
      const auto at = [&](std::size_t n) { return stores.begin() + static_cast<std::ptrdiff_t>(n); };
      std::rotate(at(first), at(i), at(i + 1));
    }
  }));
}
TEST(WeakWriter, ThatRetiresBeforeTheSuccessorHasTheName) {
  expect_killed(Suite({}, [](std::vector<Store>& stores, std::size_t begin) {
    for (std::size_t i = begin; i < stores.size(); ++i) {
      if (stores[i].offset == layout::control::kRetired) stores[i].named = stores[begin].named;
    }
  }));
}
TEST(WeakWriter, ThatGivesTheLeaseBeforeItsTime) {
  expect_killed(Suite({}, [](std::vector<Store>& stores, std::size_t begin) {
    for (std::size_t i = begin + 1; i < stores.size(); ++i) {
      if (stores[i].offset == layout::control::kLeaseUntilNs) std::swap(stores[i], stores[i - 1]);
    }
  }));
}

}  // namespace
}  // namespace bifrost::model
