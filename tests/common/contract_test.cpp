#include "common/redis/contract.hpp"

#include <gtest/gtest.h>

namespace bifrost::contract {
namespace {

TEST(Contract, ClassifiesKeysInTheDocumentedOrder) {
  EXPECT_EQ(classify("bifrost:module:a.py"), KeyClass::kModule);
  EXPECT_EQ(classify("bifrost:module:_solutions/7f3e/shared/a.py"), KeyClass::kModule);
  EXPECT_EQ(classify("bifrost:module:index"), KeyClass::kIndex);
  EXPECT_EQ(classify("bifrost:module:index:old.py"), KeyClass::kIndex);
  EXPECT_EQ(classify("bifrost:module:index.py"), KeyClass::kModule);
  EXPECT_EQ(classify("bifrost:module:resolution:-:0:modules.py"), KeyClass::kIgnored);
  EXPECT_EQ(classify("bifrost:module:deploying"), KeyClass::kDeploying);
  EXPECT_EQ(classify("bifrost:module:deploying.py"), KeyClass::kModule);
  EXPECT_EQ(classify("bifrost:module:readme.md"), KeyClass::kIgnored);
  EXPECT_EQ(classify("bifrost:module:"), KeyClass::kIgnored);
  EXPECT_EQ(classify("bifrost:requirements:content"), KeyClass::kIgnored);
  EXPECT_EQ(classify(""), KeyClass::kIgnored);
}

TEST(Contract, PathsAndKeysAreInverse) {
  EXPECT_EQ(path_of(key_of("shared/halopsa.py"))->text(), "shared/halopsa.py");
  EXPECT_EQ(path_of("bifrost:module:../x.py").error(), PathFault::kDotPart);
}

}  // namespace
}  // namespace bifrost::contract
