// Reader processes beside a writer process that updates, deletes, reuses memory, grows and is killed: nobody is ever
// told anything but one published version. The same harness in one process first: it tests the test.
//
// Long form: BIFROST_STRESS_SECONDS=3600 build/release/bin/stress_test
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <vector>

#include "judge.hpp"
#include "mutant_confirm_never_loses.hpp"
#include "processes.hpp"
#include "workload.hpp"

namespace bifrost::stress {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

struct NeverLost {
  using Snapshot = bifrost::mutant_confirm_never_loses::BasicSnapshot<ReadWords>;
  using Variant = bifrost::mutant_confirm_never_loses::VariantRef;
};

constexpr std::uint64_t kMaxSize = 2 << 20;  // so small that most contents fit, but seldom all of them
constexpr int kReaders = 3;

class Stress : public ::testing::Test {
 protected:
  Stress() {
    std::string pattern = "/dev/shm/bifrost-stress-XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
  }
  ~Stress() override { std::filesystem::remove_all(dir_); }

  // One thread that is both: between finding and copying, the writer may make any number of commits.
  template <class Protocol>
  Tally run_in_one_process(int steps) {
    Workload workload(dir_, 1, kMaxSize);
    std::mt19937_64 random(2);
    Judge<Protocol> judge(dir_, 3, [&] {
      for (std::uint64_t commits = random() % 256 == 0 ? random() % 64 : 0; commits > 0; --commits) workload.step();
    });
    for (int i = 0; i < steps; ++i) {
      workload.step();
      judge.step();
    }
    return judge.tally();
  }

  std::string dir_;
};

void print(const Tally& t) {
  std::cout << fmt::format("  {} hits, {} misses, {} not mirrored, {} with code, {} snapshots lost, {} segments\n",
                           t.hits, t.misses, t.not_mirrored, t.codes, t.lost, t.segments);
}

TEST_F(Stress, InOneProcessEveryAnswerIsOneVersion) {
  const Tally tally = run_in_one_process<Shipped>(4'000);
  print(tally);
  EXPECT_GT(tally.hits, 0u);
  EXPECT_GT(tally.misses, 0u);
  EXPECT_GT(tally.not_mirrored, 0u);
  EXPECT_GT(tally.codes, 0u);
  EXPECT_GT(tally.lost, 0u) << "no memory was reused under a reader";
  EXPECT_GT(tally.segments, 1u) << "the segment did not grow";
}

TEST_F(Stress, InOneProcessAReaderThatNeverLosesItsSnapshotIsNoticed) {
  EXPECT_THROW(run_in_one_process<NeverLost>(4'000), std::logic_error);
}

struct Board {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> generation{0};
  Tally tallies[kReaders];
};

template <class Protocol>
std::vector<Child> start_readers(const std::string& dir, Shared<Board>& board) {
  std::vector<Child> readers;
  for (int n = 0; n < kReaders; ++n) {
    readers.emplace_back([&dir, &board, n] {
      Judge<Protocol> judge(dir, 100 + static_cast<std::uint64_t>(n));
      while (!board->stop.load()) judge.step();
      board->tallies[n] = judge.tally();
    });
  }
  return readers;
}

Child start_writer(const std::string& dir, Shared<Board>& board, std::uint64_t seed) {
  return Child([&dir, &board, seed] {
    Workload workload(dir, seed, kMaxSize);
    while (!board->stop.load()) {
      board->generation = workload.generation().value;
      workload.step();
    }
  });
}

// Until `done`, `writer` or a reader ends, or the deadline passes.
template <class Done>
void wait_for(const Child& writer, const std::vector<Child>& readers, steady_clock::time_point deadline, Done done) {
  while (!done() && !writer.ended() && steady_clock::now() < deadline) {
    for (const Child& reader : readers) {
      if (reader.ended()) return;
    }
    ::poll(nullptr, 0, 1);
  }
}

seconds stress_time() {
  const char* text = std::getenv("BIFROST_STRESS_SECONDS");
  return seconds(text == nullptr ? 30 : std::max(1, std::atoi(text)));
}

TEST_F(Stress, ProcessesThatReadBesideAKilledWriterAreToldOnlyVersions) {
  Shared<Board> board;
  { Workload first(dir_, 1, kMaxSize); }  // readers find a segment
  Child writer = start_writer(dir_, board, 2);
  std::vector<Child> readers = start_readers<Shipped>(dir_, board);
  std::mt19937_64 random(4);
  const auto end = steady_clock::now() + stress_time();
  std::uint64_t kills = 0;
  while (steady_clock::now() < end) {
    const std::uint64_t until = board->generation.load() + random() % 500;
    wait_for(writer, readers, end, [&] { return board->generation.load() > until; });
    ASSERT_FALSE(writer.ended()) << "the writer gave up";
    for (const Child& reader : readers) ASSERT_FALSE(reader.ended()) << "a reader was told something wrong";
    writer.kill();  // wherever it is: staging, building a successor, taking over
    writer = start_writer(dir_, board, 100 + ++kills);
  }
  board->stop = true;
  EXPECT_TRUE(writer.wait());
  Tally all;
  for (int n = 0; n < kReaders; ++n) {
    EXPECT_TRUE(readers[static_cast<std::size_t>(n)].wait()) << "a reader was told something wrong";
    const Tally& t = board->tallies[n];
    print(t);
    all = {all.hits + t.hits, all.misses + t.misses, all.not_mirrored + t.not_mirrored,
           all.lost + t.lost, all.codes + t.codes,   all.segments + t.segments};
  }
  std::cout << fmt::format("  {} generations, {} writers killed\n", board->generation.load(), kills);
  EXPECT_GT(all.hits, 0u);
  EXPECT_GT(all.codes, 0u);
  EXPECT_GT(all.lost, 0u);
  EXPECT_GT(all.segments, std::uint64_t{kReaders});
  EXPECT_GT(kills, 0u);
}

TEST_F(Stress, ProcessesThatNeverLoseTheirSnapshotsAreNoticed) {
  Shared<Board> board;
  { Workload first(dir_, 1, kMaxSize); }
  Child writer = start_writer(dir_, board, 2);
  std::vector<Child> readers = start_readers<NeverLost>(dir_, board);
  wait_for(writer, readers, steady_clock::now() + seconds(120), [] { return false; });
  EXPECT_FALSE(writer.ended());
  bool noticed = false;
  for (Child& reader : readers) noticed |= reader.ended() && !reader.wait();
  EXPECT_TRUE(noticed) << "this mutant survives";
}

}  // namespace
}  // namespace bifrost::stress
