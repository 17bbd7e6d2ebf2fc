#include "processes.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <new>

namespace bifrost::bench {
namespace {

using std::chrono::steady_clock;

constexpr int kMaxReaders = 2;
constexpr unsigned kSub = 64;  // buckets per power of two: 1.6 % wide

// Times in ns, by buckets that widen with them.
class Histogram {
 public:
  void add(std::uint64_t ns) { ++counts_[bucket(std::min<std::uint64_t>(ns, std::uint64_t{1} << 40))]; }
  void merge(const Histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  }
  double percentile(double share) const {
    std::uint64_t all = 0;
    for (const std::uint64_t n : counts_) all += n;
    auto left = static_cast<std::uint64_t>(static_cast<double>(all) * share);
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] > left) return static_cast<double>(value(i));
      left -= counts_[i];
    }
    return 0;
  }

 private:
  static std::size_t bucket(std::uint64_t ns) {
    if (ns < kSub) return ns;
    const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 7;
    return (shift + 1) * std::size_t{kSub} + (ns >> shift) - kSub;
  }
  static std::uint64_t value(std::size_t i) {
    if (i < kSub) return i;
    return (i % kSub + kSub) << (i / kSub - 1);
  }
  std::array<std::uint64_t, std::size_t{kSub} * 40> counts_{};
};

struct Board {
  std::atomic<int> ready{0};
  std::atomic<bool> go{false};
  std::atomic<bool> stop{false};
  struct Reader {
    std::uint64_t lookups = 0;
    std::uint64_t gone = 0;
    std::uint64_t measured = 0;
    std::uint64_t slow = 0;
    std::uint64_t slow_by_fault = 0;
    double seconds = 0;
    Histogram times;
  } readers[kMaxReaders];
};

long minor_faults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

std::uint64_t clock_cost_ns() {
  std::uint64_t least = ~std::uint64_t{0};
  for (int i = 0; i < 10'000; ++i) {
    const auto before = steady_clock::now();
    least = std::min(least, static_cast<std::uint64_t>((steady_clock::now() - before).count()));
  }
  return least;
}

class Reader {
 public:
  Reader(const Stores& stores, const Segment& segment, Reading reading, Board& board, Board::Reader& out)
      : questions_(stores.hits()),
        segment_(segment),
        hot_(reading == Reading::kHotKey || reading == Reading::kHotOwnCopy),
        board_(board),
        out_(out) {}

  void run(std::size_t begin) {
    for (std::size_t i = 0; i < kQuestions; ++i) look(i);
    wait_for_go();
    const auto begun = steady_clock::now();
    const std::size_t stride = hot_ ? 1 : 17;
    for (std::size_t i = begin; !board_.stop.load(std::memory_order_relaxed); i += stride) {
      measure(hot_ ? 0 : i);
      for (std::size_t n = 1; n < stride; ++n) look(i + n);
      out_.lookups += stride;
    }
    out_.seconds = std::chrono::duration<double>(steady_clock::now() - begun).count();
  }

  void run_arithmetic() {
    wait_for_go();
    const auto begun = steady_clock::now();
    for (std::uint64_t x = 1; !board_.stop.load(std::memory_order_relaxed); ++out_.lookups) {
      for (int i = 0; i < 100; ++i) {
        x = x * 6364136223846793005 + 1442695040888963407;
        asm volatile("" : "+r"(x));
      }
    }
    out_.seconds = std::chrono::duration<double>(steady_clock::now() - begun).count();
  }

 private:
  void wait_for_go() {
    ++board_.ready;
    while (!board_.go.load()) {
    }
  }
  void look(std::size_t i) {
    if (segment_.snapshot().find_file(questions_[i]).status == Lookup::kGone) ++out_.gone;
  }
  void measure(std::size_t i) {
    const auto before = steady_clock::now();
    look(i);
    const auto ns = static_cast<std::uint64_t>((steady_clock::now() - before).count());
    out_.times.add(ns - std::min(ns, clock_ns_));
    ++out_.measured;
    if (ns < kSlowNs) return;
    ++out_.slow;
    const long faults = minor_faults();
    if (faults != faults_) ++out_.slow_by_fault;
    faults_ = faults;
  }

  const Questions& questions_;
  const Segment& segment_;
  const bool hot_;
  Board& board_;
  Board::Reader& out_;
  const std::uint64_t clock_ns_ = clock_cost_ns();
  long faults_ = minor_faults();
};

}  // namespace

Readings read_for(Stores& stores, const Load& load, int milliseconds) {
  stores.attach_if_retired();
  const bool own = load.reading == Reading::kOwnCopy || load.reading == Reading::kHotOwnCopy;

  void* memory = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die("no memory to share");
  Board& board = *new (memory) Board();
  std::array<pid_t, kMaxReaders> children{};
  for (int n = 0; n < load.readers; ++n) {
    pid_t& child = children[static_cast<std::size_t>(n)];
    child = ::fork();
    if (child < 0) die("cannot fork");
    if (child == 0) {
      Reader reader(stores, own ? stores.private_copy(n) : stores.segment(), load.reading, board, board.readers[n]);
      if (load.reading == Reading::kArithmetic) {
        reader.run_arithmetic();
      } else {
        reader.run(static_cast<std::size_t>(n) * 1000);
      }
      ::_exit(0);
    }
  }
  while (board.ready.load() < load.readers) ::poll(nullptr, 0, 1);
  board.go = true;
  const auto begun = steady_clock::now();
  const auto end = begun + std::chrono::milliseconds(milliseconds);
  std::uint64_t commits = 0;
  if (load.writing == Writing::kNone) {
    ::poll(nullptr, 0, milliseconds);
  } else {
    static std::uint64_t version = 0;
    std::mt19937_64 random(version);
    std::string source(std::min<std::size_t>(stores.source_bytes(), 1024), 'w');
    for (; steady_clock::now() < end; ++commits) {
      ++version;
      source.replace(0, std::min(source.size(), sizeof version), reinterpret_cast<const char*>(&version),
                     sizeof version);
      const std::size_t module = load.writing == Writing::kUniform ? random() % stores.modules() : 0;
      // The hot key is one that readers ask for.
      const std::string path(load.writing == Writing::kUniform ? stores.path(module) : std::string(stores.hits()[0]));
      stores.writer().put_source(path, source, "new");
      if (!stores.writer().commit()) die("a commit failed");
      if (commits % 64 == 0) stores.writer().tend();
    }
  }
  const double seconds = std::chrono::duration<double>(steady_clock::now() - begun).count();
  board.stop = true;
  Readings all;
  Histogram times;
  for (int n = 0; n < load.readers; ++n) {
    int status = 0;
    ::waitpid(children[static_cast<std::size_t>(n)], &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) die("a reader process failed");
    const Board::Reader& r = board.readers[n];
    all.lookups_per_second += static_cast<double>(r.lookups) / r.seconds;
    all.gone += r.gone;
    all.measured += r.measured;
    all.slow += r.slow;
    all.slow_by_fault += r.slow_by_fault;
    times.merge(r.times);
  }
  all.p50_ns = times.percentile(0.5);
  all.p99_ns = times.percentile(0.99);
  all.p999_ns = times.percentile(0.999);
  all.commits_per_second = static_cast<double>(commits) / seconds;
  ::munmap(memory, sizeof(Board));
  return all;
}

}  // namespace bifrost::bench
