// Every check of the reader, switched off in turn (make_mutants.py): the model must notice.
#include "mutants.hpp"

#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "common/reader/control_block.hpp"
#include "suite.hpp"

namespace bifrost::model {
namespace {

struct Mutated {
  template <class Memory>
  using Snapshot = mutated::BasicSnapshot<Memory>;
  template <class Words>
  using Control = BasicControlBlock<Words>;
  using Variant = mutated::VariantRef;
};

// What the model says of a mutant; of none at all when `number` is -1.
std::string violation_of(int number) {
  mutated::active = number;
  std::string violation = Suite().first_violation<Mutated>();
  mutated::active = -1;
  return violation;
}

#define BIFROST_MUTANT_TEST(number, name)                      \
  TEST(Mutant, name) {                                         \
    const std::string violation = violation_of(number);        \
    EXPECT_FALSE(violation.empty()) << "this mutant survives"; \
    std::cout << "  " << violation << '\n';                    \
  }

BIFROST_MUTANTS(BIFROST_MUTANT_TEST)

TEST(Mutant, ThatLacksNoCheckKeepsEveryPromise) {
  EXPECT_EQ(violation_of(-1), "");
}

}  // namespace
}  // namespace bifrost::model
