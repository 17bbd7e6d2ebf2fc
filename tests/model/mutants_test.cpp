// Every check of the reader, removed in turn (make_mutants.py): the model must notice.
#include "mutants.hpp"

#include <gtest/gtest.h>

#include <iostream>

#include "common/reader/control_block.hpp"
#include "suite.hpp"

namespace bifrost::model {
namespace {

#define BIFROST_MUTANT_TEST(name)                                             \
  struct Protocol_##name {                                                    \
    template <class Memory>                                                   \
    using Snapshot = bifrost::mutant_##name::BasicSnapshot<Memory>;           \
    template <class Words>                                                    \
    using Control = bifrost::BasicControlBlock<Words>;                        \
    using Variant = bifrost::mutant_##name::VariantRef;                       \
  };                                                                          \
  TEST(Mutant, name) {                                                        \
    const std::string violation = Suite().first_violation<Protocol_##name>(); \
    EXPECT_FALSE(violation.empty()) << "this mutant survives";                \
    std::cout << "  " << violation << '\n';                                   \
  }

BIFROST_MUTANTS(BIFROST_MUTANT_TEST)

}  // namespace
}  // namespace bifrost::model
