#include "common/telemetry/telemetry_file.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace bifrost {
namespace {

class TelemetryFileTest : public testing::Test {
 protected:
  TelemetryFileTest() {
    std::string name = testing::TempDir() + "telemetry-XXXXXX";
    dir_ = ::mkdtemp(name.data());
  }
  ~TelemetryFileTest() override { std::filesystem::remove_all(dir_); }

  static WorkerTotals one_of(WorkerCounter counter, std::uint64_t n) {
    WorkerTotals totals{};
    totals[static_cast<std::size_t>(counter)] = n;
    return totals;
  }
  std::uint64_t hits() const { return (*read_telemetry(dir_))[static_cast<std::size_t>(WorkerCounter::kHits)]; }

  std::string dir_;
};

TEST_F(TelemetryFileTest, IsAbsentUntilTheAgentMakesIt) {
  EXPECT_FALSE(read_telemetry(dir_));
  EXPECT_FALSE(add_telemetry(dir_, one_of(WorkerCounter::kHits, 1)));
  ASSERT_TRUE(create_telemetry_file(dir_));
  EXPECT_EQ(hits(), 0u);
}

TEST_F(TelemetryFileTest, SumsWhatManyProcessesAdd) {
  ASSERT_TRUE(create_telemetry_file(dir_));
  constexpr int kProcesses = 16;
  constexpr int kTimes = 200;
  for (int i = 0; i < kProcesses; ++i) {
    if (::fork() == 0) {
      int left = kTimes;
      for (int tries = 0; left > 0 && tries < 1'000'000; ++tries) {
        if (add_telemetry(dir_, one_of(WorkerCounter::kHits, 1))) --left;
      }
      ::_exit(left);
    }
  }
  for (int i = 0; i < kProcesses; ++i) {
    int status = 0;
    ::wait(&status);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(hits(), static_cast<std::uint64_t>(kProcesses * kTimes));
}

TEST_F(TelemetryFileTest, StartsAtZeroWithEachAgent) {
  ASSERT_TRUE(create_telemetry_file(dir_));
  ASSERT_TRUE(add_telemetry(dir_, one_of(WorkerCounter::kHits, 3)));
  ASSERT_TRUE(create_telemetry_file(dir_));
  EXPECT_EQ(hits(), 0u);
}

TEST_F(TelemetryFileTest, HasItsLayoutSpelledOut) {
  EXPECT_EQ(kTelemetryFileBytes, 16384u);
  ASSERT_TRUE(create_telemetry_file(dir_));
  const std::string path = dir_ + "/workers.counters";
  EXPECT_EQ(std::filesystem::file_size(path), 16384u);
  struct stat st {};
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777u, 0660u);
}

}  // namespace
}  // namespace bifrost
