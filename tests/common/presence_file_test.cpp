#include "common/telemetry/presence_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

namespace bifrost {
namespace {

class PresenceFileTest : public testing::Test {
 protected:
  PresenceFileTest() {
    std::string name = testing::TempDir() + "presence-XXXXXX";
    dir_ = ::mkdtemp(name.data());
  }
  ~PresenceFileTest() override { std::filesystem::remove_all(dir_); }

  static Presence of(std::uint64_t pid, std::uint64_t generation, std::uint64_t pid_namespace = 7) {
    return {pid, pid_namespace, generation, PresenceSource::kMirror, BootTime{1}, boot_now()};
  }
  std::string file() const { return dir_ + "/" + kPresenceFileName; }
  void overwrite(const std::string& bytes) const { std::ofstream(file(), std::ios::in) << bytes; }

  std::string dir_;
};

TEST_F(PresenceFileTest, IsAbsentUntilTheAgentMakesIt) {
  EXPECT_FALSE(read_presence(dir_));
  EXPECT_FALSE(write_presence(dir_, of(1, 1)));
  ASSERT_TRUE(keep_presence_file(dir_));
  EXPECT_TRUE(read_presence(dir_)->empty());
}

TEST_F(PresenceFileTest, HoldsWhatEachProcessSaidLast) {
  ASSERT_TRUE(keep_presence_file(dir_));
  EXPECT_TRUE(write_presence(dir_, of(10, 1)));
  EXPECT_TRUE(write_presence(dir_, of(11, 1)));
  const Presence last = of(10, 2);
  EXPECT_TRUE(write_presence(dir_, last));
  const auto found = *read_presence(dir_);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0], last);
}

TEST_F(PresenceFileTest, PidsOfOneNamespaceMeetOnlyAThousandApart) {
  ASSERT_TRUE(keep_presence_file(dir_));
  for (std::uint64_t pid = 5000; pid < 5000 + kPresencePlaces; ++pid) write_presence(dir_, of(pid, pid));
  EXPECT_EQ(read_presence(dir_)->size(), kPresencePlaces);
  write_presence(dir_, of(5000 + kPresencePlaces, 1));
  EXPECT_EQ(read_presence(dir_)->size(), kPresencePlaces);
}

TEST_F(PresenceFileTest, IsClearedByItsOwnProcessOnly) {
  ASSERT_TRUE(keep_presence_file(dir_));
  write_presence(dir_, of(10, 1));
  clear_presence(dir_, 10 + kPresencePlaces, 7);
  clear_presence(dir_, 10, 8);
  EXPECT_EQ(read_presence(dir_)->size(), 1u);
  clear_presence(dir_, 10, 7);
  EXPECT_TRUE(read_presence(dir_)->empty());
}

TEST_F(PresenceFileTest, StaysWhenTheNextAgentFindsIt) {
  ASSERT_TRUE(keep_presence_file(dir_));
  write_presence(dir_, of(10, 1));
  ASSERT_TRUE(keep_presence_file(dir_));
  EXPECT_EQ(read_presence(dir_)->size(), 1u);
}

TEST_F(PresenceFileTest, IsMadeAnewWhereSomethingElseIs) {
  for (const auto& put : {+[](const std::string& f) { std::ofstream(f) << "short"; },
                          +[](const std::string& f) {
                            std::ofstream(f + ".linked") << std::string(kPresenceFileBytes, '\0');
                            std::filesystem::create_symlink(f + ".linked", f);
                          },
                          +[](const std::string& f) { ASSERT_EQ(::mkfifo(f.c_str(), 0600), 0); }}) {
    std::filesystem::remove(file());
    put(file());
    EXPECT_FALSE(read_presence(dir_));
    EXPECT_FALSE(write_presence(dir_, of(1, 1)));
    ASSERT_TRUE(keep_presence_file(dir_));
    EXPECT_TRUE(read_presence(dir_)->empty());
  }
}

TEST_F(PresenceFileTest, OfAnotherGroupThanItWouldHaveNowItIsMadeAnew) {
  ASSERT_TRUE(keep_presence_file(dir_));
  if (::chown(file().c_str(), static_cast<uid_t>(-1), ::getegid() + 1) != 0) GTEST_SKIP() << "only root gives it away";
  ASSERT_TRUE(keep_presence_file(dir_));
  struct stat st {};
  ASSERT_EQ(::stat(file().c_str(), &st), 0);
  EXPECT_EQ(st.st_gid, ::getegid());
}

TEST_F(PresenceFileTest, NoiseIsNobody) {
  ASSERT_TRUE(keep_presence_file(dir_));
  std::mt19937 random(7);
  std::string noise(kPresenceFileBytes, '\0');
  for (char& byte : noise) byte = static_cast<char>(random());
  overwrite(noise);
  EXPECT_TRUE(read_presence(dir_)->empty());
}

TEST_F(PresenceFileTest, WhatCannotBeIsLeftOut) {
  ASSERT_TRUE(keep_presence_file(dir_));
  Presence in_the_future = of(1, 1);
  in_the_future.said = boot_now() + std::chrono::hours(1);
  Presence before_it_began = of(2, 1);
  before_it_began.since = before_it_began.said + std::chrono::seconds(1);
  Presence from_nowhere = of(3, 1);
  from_nowhere.source = static_cast<PresenceSource>(4);
  for (const Presence& p : {in_the_future, before_it_began, from_nowhere, of(1u << 23, 1)}) write_presence(dir_, p);
  EXPECT_TRUE(read_presence(dir_)->empty());
}

TEST_F(PresenceFileTest, AProcessRunsUntilItEndsAndAPidIsNotTakenForTheNextOfItsNumber) {
  Presence self = of(static_cast<std::uint64_t>(::getpid()), 1);
  EXPECT_TRUE(still_runs(self));
  self.said = BootTime{1};  // before this process began
  EXPECT_FALSE(still_runs(self));
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t ended{};
  ::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT);
  EXPECT_FALSE(still_runs(of(static_cast<std::uint64_t>(child), 1))) << "a zombie";
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(still_runs(of(static_cast<std::uint64_t>(child), 1)));
}

}  // namespace
}  // namespace bifrost
