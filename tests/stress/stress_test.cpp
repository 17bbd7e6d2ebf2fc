// Reader processes beside a writer process that updates, deletes, moves, gives memory back and is killed: nobody is
// ever told anything but one published version, and what is kept can be read. The same harness in one process first:
// it tests the test.
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
#include "processes.hpp"
#include "workload.hpp"

namespace bifrost::stress {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr Room kCrowded{2 << 20, milliseconds(3'600'000), {}};  // most contents fit, but seldom all of them
constexpr Room kForgetful{2 << 20, milliseconds(20), {}};       // and nobody needs what is older
constexpr Room kRestless{16 << 20, milliseconds(0), {}};        // nor is there any lack
constexpr std::uint64_t kAmpleBytes = 1ull << 30;
constexpr Room kAmple{kAmpleBytes, milliseconds(3'600'000), kAmpleBytes};  // keeps whatever a run replaces
constexpr int kReaders = 3;

seconds stress_time() {
  const char* text = std::getenv("BIFROST_STRESS_SECONDS");
  return seconds(text == nullptr ? 5 : std::max(1, std::atoi(text)));
}

void print(const std::string& who, const Tally& t) {
  std::cout << fmt::format(
      "  {}: {} hits, {} misses, {} not mirrored, {} with code, {} times memory gone, {} snapshots lost, {} complete, "
      "{} roots\n",
      who, t.hits, t.misses, t.not_mirrored, t.codes, t.gone, t.lost, t.complete, t.roots);
}

// What a directory's segment says of itself, asked again and again.
class Gauge {
 public:
  explicit Gauge(std::string dir) : dir_(std::move(dir)) {}
  SegmentInfo info() {
    if (!segment_ || segment_->retired() || published_identity(dir_) != segment_->identity()) {
      segment_ = Segment::attach(dir_).value();
    }
    return segment_->info();
  }

 private:
  std::string dir_;
  std::shared_ptr<const Segment> segment_;
};

class Stress : public ::testing::Test {
 protected:
  Stress() {
    std::string pattern = "/dev/shm/bifrost-stress-XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
  }
  ~Stress() override { std::filesystem::remove_all(dir_); }

  // What readers find when they begin.
  void write_first(const Room& room) {
    Workload first(dir_, 1, room);
    for (int n = 0; n < 200; ++n) first.step();
  }

  std::string dir_;
};

// --- One process: the test of the test ---------------------------------------------------------------------------

// One thread that is both: between finding and copying, the writer may make so many commits, and keep house.
template <class Protocol>
Tally run_in_one_process(const std::string& dir, const Room& room, int steps, std::uint64_t most_commits) {
  Workload workload(dir, 1, room);
  std::mt19937_64 random(2);
  Judge<Protocol> judge(dir, 3, [&] {
    if (random() % 64 != 0) return;
    for (std::uint64_t commits = random() % (most_commits + 1); commits > 0; --commits) workload.step();
    while (workload.writer().tend()) continue;
  });
  Pinned<Protocol> pinned(dir, 4);
  for (int i = 0; i < steps; ++i) {
    workload.step();
    judge.step();
    pinned.step();
  }
  Tally both = judge.tally();
  return both += pinned.tally();
}

TEST_F(Stress, InOneProcessEveryAnswerIsOneVersion) {
  const Tally tally = run_in_one_process<Shipped>(dir_, kCrowded, 2'000, 16);
  print("both", tally);
  EXPECT_GT(tally.hits, 0u);
  EXPECT_GT(tally.misses, 0u);
  EXPECT_GT(tally.not_mirrored, 0u);
  EXPECT_GT(tally.codes, 0u);
  EXPECT_GT(tally.complete, 0u);
  EXPECT_GT(tally.lost, 0u) << "no history was given up under a reader";
}

TEST_F(Stress, InOneProcessWhatMovesUnderAReaderIsFoundAgain) {
  const Tally tally = run_in_one_process<Shipped>(dir_, kRestless, 4'000, 0);
  print("both", tally);
  EXPECT_GT(tally.hits, 0u);
  EXPECT_GT(tally.codes, 0u);
  EXPECT_GT(tally.complete, 0u);
  EXPECT_GT(tally.gone, 0u) << "nothing was moved under a reader";
}

TEST_F(Stress, InOneProcessAReaderThatDoesNotNoticeGoneMemoryIsNoticed) {
  EXPECT_THROW(run_in_one_process<NeverGone>(dir_, kCrowded, 2'000, 16), std::logic_error);
}

// --- Processes ---------------------------------------------------------------------------------------------------

struct Board {
  static constexpr int kMost = 8;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> generation{0};  // of the writer
  std::atomic<std::uint64_t> left_out{0};
  struct Reader {
    std::atomic<std::uint64_t> steps{0};
    std::atomic<std::uint64_t> generation{0};  // of a pinned reader
    std::atomic<std::uint64_t> gone{0};        // so far, as the next
    std::atomic<std::uint64_t> roots{0};
    Tally tally;
  } readers[kMost];
};

// One run: its processes, and what they share.
class Trial {
 public:
  explicit Trial(std::string dir) : dir_(std::move(dir)), end_(steady_clock::now() + stress_time()) {}

  template <class Protocol>
  void start_judges(int count) {
    for (; count > 0; --count) {
      start_reader([dir = dir_, seed = 100 + readers_.size()] { return Judge<Protocol>(dir, seed); },
                   [](const auto&, Board::Reader&) {});
    }
  }
  // They have asked everything once when this returns.
  template <class Protocol>
  void start_pinned(int count) {
    const auto first = static_cast<int>(readers_.size());
    for (; count > 0; --count) {
      start_reader(
          [dir = dir_, seed = 200 + readers_.size()] {
            Pinned<Protocol> pinned(dir, seed);
            pinned.learn();
            return pinned;
          },
          [](const auto& pinned, Board::Reader& shown) { shown.generation = pinned.generation().value; });
    }
    for (auto n = first; n < static_cast<int>(readers_.size()); ++n) {
      wait_for([&] { return board_->readers[n].steps.load() != 0; }, steady_clock::now() + seconds(60));
    }
  }

  // It waits when it would use up `bytes_in_all` before the run is over.
  void start_writer(const Room& room, std::uint64_t seed, std::uint64_t bytes_in_all = ~std::uint64_t{0}) {
    writer_.emplace([this, &room, seed, bytes_in_all] {
      Workload workload(dir_, seed, room);
      Gauge gauge(dir_);
      while (!board_->stop.load()) {
        if (ahead_of_time(gauge.info().size_bytes, bytes_in_all)) {
          ::poll(nullptr, 0, 5);
          continue;
        }
        workload.step();
        board_->generation = workload.generation().value;
      }
    });
  }
  void kill_writer() { writer_->kill(); }

  // Until `done`, a process ends, or the deadline passes.
  template <class Done>
  void wait_for(Done done, steady_clock::time_point deadline) {
    while (!done() && all_go_on() && steady_clock::now() < deadline) ::poll(nullptr, 0, 1);
  }
  bool all_go_on() const {
    bool on = !writer_ || !writer_->ended();
    for (const Child& reader : readers_) on &= !reader.ended();
    return on;
  }
  bool writer_ended() const { return writer_ && writer_->ended(); }
  steady_clock::time_point end() const { return end_; }
  Board& board() { return *board_; }
  // Whether some reader stood where memory went, and some went on to another root.
  bool has_met_all() {
    std::uint64_t gone = 0, roots = 0;
    for (std::size_t n = 0; n < readers_.size(); ++n) {
      gone += board_->readers[n].gone.load(), roots += board_->readers[n].roots.load();
    }
    return gone != 0 && roots > readers_.size();
  }
  std::vector<Child>& readers() { return readers_; }

  // What all readers were told. Adds a failure for each process that did not end well.
  Tally finish() {
    board_->stop = true;
    const bool writer_did_well = !writer_ || writer_->wait();
    EXPECT_TRUE(writer_did_well) << "the writer gave up";
    Tally all;
    for (std::size_t n = 0; n < readers_.size(); ++n) {
      EXPECT_TRUE(readers_[n].wait()) << "a reader was told something wrong";
      print(fmt::format("reader {}", n), board_->readers[n].tally);
      all += board_->readers[n].tally;
    }
    return all;
  }

 private:
  template <class Make, class Show>
  void start_reader(Make make, Show show) {
    readers_.emplace_back([this, n = readers_.size(), make, show] {
      Board::Reader& shown = board_->readers[n];
      auto reader = make();
      for (; !board_->stop.load(); ++shown.steps) {
        reader.step();
        show(reader, shown);
        shown.gone = reader.tally().gone, shown.roots = reader.tally().roots;
      }
      shown.tally = reader.tally();
    });
  }
  bool ahead_of_time(std::uint64_t size, std::uint64_t bytes_in_all) const {
    const std::chrono::duration<double> left = end_ - steady_clock::now();
    const std::chrono::duration<double> all = stress_time();
    return static_cast<double>(size) > static_cast<double>(bytes_in_all) * (1 - left / all);
  }

  std::string dir_;
  steady_clock::time_point end_;
  Shared<Board> board_;
  std::optional<Child> writer_;
  std::vector<Child> readers_;
};

TEST_F(Stress, ProcessesThatReadBesideAKilledWriterAreToldOnlyVersions) {
  write_first(kForgetful);
  Trial trial(dir_);
  trial.start_writer(kForgetful, 2);
  trial.start_judges<Shipped>(kReaders);
  std::mt19937_64 random(4);
  std::uint64_t kills = 0;
  // Readers that get little of a busy machine seldom stand where memory goes: on until one has.
  const auto deadline = trial.end() + seconds(120);
  while (steady_clock::now() < trial.end() || (!trial.has_met_all() && steady_clock::now() < deadline)) {
    const std::uint64_t until = trial.board().generation.load() + random() % 500;
    trial.wait_for([&] { return trial.board().generation.load() > until; }, deadline);
    ASSERT_TRUE(trial.all_go_on()) << "a process gave up, or was told something wrong";
    trial.kill_writer();  // wherever it is: staging, moving records, building a root, adopting
    trial.start_writer(kForgetful, 100 + ++kills);
  }
  const Tally all = trial.finish();
  std::cout << fmt::format("  {} generations, {} writers killed\n", trial.board().generation.load(), kills);
  EXPECT_GT(all.hits, 0u);
  EXPECT_GT(all.codes, 0u);
  EXPECT_GT(all.gone, 0u);
  EXPECT_GT(all.roots, std::uint64_t{kReaders});
  EXPECT_GT(kills, 0u);
}

TEST_F(Stress, ProcessesThatDoNotNoticeGoneMemoryAreNoticed) {
  write_first(kForgetful);
  Trial trial(dir_);
  trial.start_writer(kForgetful, 2);
  trial.start_judges<NeverGone>(kReaders);
  trial.wait_for([] { return false; }, steady_clock::now() + seconds(120));
  EXPECT_FALSE(trial.writer_ended());
  bool noticed = false;
  for (Child& reader : trial.readers()) noticed |= reader.ended() && !reader.wait();
  EXPECT_TRUE(noticed) << "this mutant survives";
}

TEST_F(Stress, WithinTheHistoryAPinnedSnapshotIsNeverLostNotEvenToKilledWriters) {
  write_first(kAmple);
  Trial trial(dir_);
  trial.start_pinned<Shipped>(kReaders);
  ASSERT_TRUE(trial.all_go_on()) << "a reader was told something wrong";
  const std::uint64_t pinned_at = trial.board().readers[0].generation.load();
  // Room for what is written stays: the writer is given three quarters of it.
  trial.start_writer(kAmple, 2, kAmpleBytes / 4 * 3);
  std::uint64_t kills = 0;
  while (steady_clock::now() < trial.end()) {
    trial.wait_for([] { return false; }, std::min(trial.end(), steady_clock::now() + milliseconds(300)));
    ASSERT_TRUE(trial.all_go_on()) << "a process gave up, or was told something wrong";
    trial.kill_writer();
    trial.start_writer(kAmple, 100 + ++kills, kAmpleBytes / 4 * 3);
  }
  const std::uint64_t newest = trial.board().generation.load();
  for (int n = 0; n < kReaders; ++n) EXPECT_EQ(trial.board().readers[n].generation.load(), pinned_at);
  const Tally all = trial.finish();
  const SegmentInfo info = Gauge(dir_).info();
  std::cout << fmt::format("  from generation {} to {}, {} writers killed, {} MiB of history\n", pinned_at, newest,
                           kills, info.history_bytes >> 20);
  EXPECT_GT(newest, pinned_at + 100);
  EXPECT_GT(all.hits, 0u);
  EXPECT_EQ(all.lost, 0u);
  EXPECT_EQ(all.roots, std::uint64_t{kReaders}) << "a reader took another snapshot";
  EXPECT_EQ(info.oldest_generation.value, 0u);
}

TEST_F(Stress, ReadersThatAreStoppedWhileMemoryIsShortNoticeAndGoOn) {
  write_first(kCrowded);
  Trial trial(dir_);
  trial.start_pinned<Shipped>(2);
  trial.start_judges<Shipped>(2);
  trial.start_writer(kCrowded, 2);
  Board& board = trial.board();
  Gauge gauge(dir_);
  std::mt19937_64 random(5);
  std::uint64_t rounds = 0;
  do {
    trial.wait_for([] { return false; }, steady_clock::now() + milliseconds(1 + random() % 20));
    for (const Child& reader : trial.readers()) reader.signal(SIGSTOP);
    // Until everything that anybody can have pinned is given up, and its memory taken.
    const std::uint64_t stopped_at = board.generation.load();
    const auto given_up = [&] { return gauge.info().oldest_generation.value > stopped_at; };
    trial.wait_for(given_up, steady_clock::now() + seconds(60));
    EXPECT_TRUE(given_up()) << "a stopped reader holds memory";
    std::uint64_t steps[Board::kMost] = {};
    for (std::size_t n = 0; n < trial.readers().size(); ++n) steps[n] = board.readers[n].steps.load();
    for (const Child& reader : trial.readers()) reader.signal(SIGCONT);
    for (std::size_t n = 0; n < trial.readers().size(); ++n) {
      trial.wait_for([&] { return board.readers[n].steps.load() > steps[n] + 2; }, steady_clock::now() + seconds(60));
    }
    ASSERT_TRUE(trial.all_go_on()) << "a process gave up, or was told something wrong";
    for (int n = 0; n < 2; ++n) {
      // What it asks for may be there a moment longer.
      const auto noticed = [&] { return board.readers[n].generation.load() > stopped_at; };
      trial.wait_for(noticed, steady_clock::now() + seconds(60));
      EXPECT_GT(board.readers[n].generation.load(), stopped_at) << "it still believes in a snapshot that is lost";
    }
    ++rounds;
  } while (steady_clock::now() < trial.end());
  const Tally all = trial.finish();
  std::cout << fmt::format("  stopped {} times, {} generations\n", rounds, board.generation.load());
  EXPECT_GE(all.lost, 2 * rounds);
}

}  // namespace
}  // namespace bifrost::stress
