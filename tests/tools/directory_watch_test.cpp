#include "tools/cachectl/directory_watch.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace bifrost::cachectl {
namespace {

class DirectoryWatchTest : public testing::Test {
 protected:
  DirectoryWatchTest() {
    std::string name = "/tmp/bifrost-watch-test-XXXXXX";
    dir_ = ::mkdtemp(name.data());
  }
  ~DirectoryWatchTest() override { std::filesystem::remove_all(dir_); }
  std::string make(const std::string& name) const {
    std::filesystem::create_directory(dir_ + "/" + name);
    return dir_ + "/" + name;
  }
  bool changed() { return watch_.changed_within(std::chrono::milliseconds(0)); }

  std::string dir_;
  DirectoryWatch watch_;
};

// Between the look that found it and its watch anything may have been saved there.
TEST_F(DirectoryWatchTest, WhatLiesInANewDirectoryCountsAsChangedOnce) {
  watch_.add({dir_});
  EXPECT_TRUE(changed());
  watch_.add({dir_});
  EXPECT_FALSE(changed());
  const std::string below = make("below");
  EXPECT_TRUE(changed());
  watch_.add({dir_, below});
  EXPECT_TRUE(changed());
  watch_.add({dir_, below});
  EXPECT_FALSE(changed());
}

TEST_F(DirectoryWatchTest, ASaveIsNoticedAndADirectoryThatIsGoneIsNoFault) {
  const std::string below = make("below");
  watch_.add({dir_, below, dir_ + "/gone"});
  EXPECT_TRUE(watch_.complete());
  EXPECT_TRUE(changed());
  std::ofstream(below + "/m.py") << "x = 1";
  EXPECT_TRUE(changed());
  EXPECT_FALSE(changed());
}

}  // namespace
}  // namespace bifrost::cachectl
