// segment_bench.cpp - what does one lookup cost beside LMDB, and one copy beside memcpy?
//
// Same process, same keys, same values (modules of 7 KiB), the newest generation renewed before each lookup as LMDB's
// read transaction is. Peers run interleaved, repeatedly; the ratios are those of the medians, printed at the end
// beside the budget. Run: build/release/bin/segment-bench [--modules=N] [any Google Benchmark flag]
#include <benchmark/benchmark.h>
#include <lmdb.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common/reader/segment.hpp"
#include "common/writer/segment_writer.hpp"

namespace {

constexpr std::size_t kSourceBytes = 7 * 1024;
constexpr std::size_t kCopyBytes = 8 * 1024;
constexpr std::size_t kLookups = 4096;  // keys visited in a fixed random order, longer than a branch predictor's memory

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "segment-bench: %s\n", why.c_str());
  std::exit(1);
}

// One corpus in both stores, removed at exit.
class Stores {
 public:
  explicit Stores(std::size_t modules) {
    std::string pattern = "/dev/shm/bifrost-bench-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) die("cannot make a directory in /dev/shm");
    dir_ = pattern;
    for (std::size_t i = 0; i < modules; ++i) {
      paths_.push_back("area" + std::to_string(i % 97) + "/package" + std::to_string(i % 1009) + "/module" +
                       std::to_string(i) + ".py");
    }
    fill_segment();
    fill_lmdb();
    std::mt19937 random(42);
    for (std::size_t i = 0; i < kLookups; ++i) {
      hits_.push_back(paths_[random() % paths_.size()]);
      misses_.push_back("area" + std::to_string(i % 97) + "/absent" + std::to_string(random()) + ".py");
    }
  }
  ~Stores() {
    mdb_txn_abort(transaction_);
    mdb_env_close(environment_);
    writer_.reset();
    std::filesystem::remove_all(dir_);
  }
  Stores(const Stores&) = delete;
  Stores& operator=(const Stores&) = delete;

  const bifrost::Segment& segment() const { return *segment_; }
  const std::string& hit(std::size_t i) const { return hits_[i % kLookups]; }
  const std::string& miss(std::size_t i) const { return misses_[i % kLookups]; }

  bool lmdb_get(const std::string& key, MDB_val& value) {
    if (mdb_txn_renew(transaction_) != 0) die("mdb_txn_renew failed");
    MDB_val k{key.size(), const_cast<char*>(key.data())};
    const int found = mdb_get(transaction_, database_, &k, &value);
    mdb_txn_reset(transaction_);
    return found == 0;
  }

 private:
  void fill_segment() {
    const std::uint64_t size = std::max<std::uint64_t>(32u << 20, paths_.size() * (kSourceBytes + 1024) * 3 / 2);
    auto writer = bifrost::SegmentWriter::create(
        {dir_, size, size * 2, {"bench", "", "/", 0, std::chrono::milliseconds(1000)}, {}});
    if (!writer) die(writer.error().message);
    writer_ = std::move(*writer);
    const std::string source(kSourceBytes, 'x');
    for (const std::string& path : paths_) writer_->put_source(path, source, "hash");
    writer_->put_source("copy.py", std::string(kCopyBytes, 'c'), "hash");
    if (!writer_->commit()) die("cannot publish the segment");
    auto segment = bifrost::Segment::attach(dir_);
    if (!segment) die(segment.error().message);
    segment_ = *segment;
  }
  void fill_lmdb() {
    const std::string path = dir_ + "/lmdb";
    mdb_env_create(&environment_);
    mdb_env_set_mapsize(environment_, paths_.size() * kSourceBytes * 3 + (64u << 20));
    if (mdb_env_open(environment_, path.c_str(), MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOMETASYNC, 0600) != 0) {
      die("cannot open LMDB");
    }
    MDB_txn* txn = nullptr;
    mdb_txn_begin(environment_, nullptr, 0, &txn);
    mdb_dbi_open(txn, nullptr, 0, &database_);
    const std::string source(kSourceBytes, 'x');
    for (const std::string& key : paths_) {
      MDB_val k{key.size(), const_cast<char*>(key.data())};
      MDB_val v{source.size(), const_cast<char*>(source.data())};
      if (mdb_put(txn, database_, &k, &v, 0) != 0) die("cannot fill LMDB");
    }
    if (mdb_txn_commit(txn) != 0) die("cannot commit to LMDB");
    mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &transaction_);
    mdb_txn_reset(transaction_);
  }

  std::string dir_;
  std::vector<std::string> paths_;
  std::vector<std::string> hits_;
  std::vector<std::string> misses_;
  std::unique_ptr<bifrost::SegmentWriter> writer_;
  std::shared_ptr<const bifrost::Segment> segment_;
  MDB_env* environment_ = nullptr;
  MDB_txn* transaction_ = nullptr;
  MDB_dbi database_ = 0;
};

std::unique_ptr<Stores> stores;

void find_hit(benchmark::State& state) {
  std::size_t i = 0;
  for (auto _ : state) {
    const bifrost::Found found = stores->segment().snapshot().find_file(stores->hit(i++));
    if (found.status != bifrost::Lookup::kHit) die("a hit missed");
    benchmark::DoNotOptimize(found);
  }
}
void find_miss(benchmark::State& state) {
  std::size_t i = 0;
  for (auto _ : state) {
    const bifrost::Found found = stores->segment().snapshot().find_file(stores->miss(i++));
    if (found.status != bifrost::Lookup::kMiss) die("a miss hit");
    benchmark::DoNotOptimize(found);
  }
}
void lmdb_hit(benchmark::State& state) {
  std::size_t i = 0;
  MDB_val value;
  for (auto _ : state) {
    if (!stores->lmdb_get(stores->hit(i++), value)) die("an LMDB hit missed");
    benchmark::DoNotOptimize(value);
  }
}
void lmdb_miss(benchmark::State& state) {
  std::size_t i = 0;
  MDB_val value;
  for (auto _ : state) benchmark::DoNotOptimize(stores->lmdb_get(stores->miss(i++), value));
}
// Both copies go between buffers of the same alignment: a page's worth of difference would measure that instead.
alignas(64) char copy_from[kCopyBytes];
alignas(64) char copy_to[kCopyBytes];

void copy_8k(benchmark::State& state) {
  for (auto _ : state) {
    const bifrost::Snapshot snapshot = stores->segment().snapshot();
    const bifrost::Found found = snapshot.find_file("copy.py");
    if (snapshot.copy_content(found.record, copy_to) != bifrost::Lookup::kHit) die("a copy was lost");
    benchmark::DoNotOptimize(&copy_to);
  }
}
void memcpy_8k(benchmark::State& state) {
  for (auto _ : state) {
    const char* source = copy_from;
    benchmark::DoNotOptimize(source);
    std::memcpy(copy_to, source, kCopyBytes);
    benchmark::DoNotOptimize(&copy_to);
    benchmark::ClobberMemory();
  }
}

// Collects the time of every repetition, for the medians.
class Medians : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type == Run::RT_Iteration) times_[run.run_name.function_name].push_back(run.GetAdjustedCPUTime());
    }
  }
  double of(const std::string& name) {
    std::vector<double>& t = times_[name];
    if (t.empty()) return 0;
    std::sort(t.begin(), t.end());
    return t[t.size() / 2];
  }

 private:
  std::map<std::string, std::vector<double>> times_;
};

void print_ratio(Medians& medians, const char* what, const char* ours, const char* peer, double reach) {
  const double a = medians.of(ours);
  const double b = medians.of(peer);
  if (a <= 0 || b <= 0) return;  // filtered out on the command line
  std::printf("%-26s %10.1f ns   %-10s %10.1f ns   ratio %5.2f   budget <= %4.2f   %s\n", what, a, peer, b, a / b,
              reach, a / b <= reach ? "met" : "MISSED");
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t modules = 4000;
  std::vector<char*> rest;
  for (int i = 0; i < argc; ++i) {
    if (std::strncmp(argv[i], "--modules=", 10) == 0) {
      modules = static_cast<std::size_t>(std::atoll(argv[i] + 10));
    } else {
      rest.push_back(argv[i]);
    }
  }
  if (modules == 0 || modules > 2'000'000) die("--modules takes 1 to 2000000");
  std::string interleave = "--benchmark_enable_random_interleaving=true";
  std::string repeat = "--benchmark_repetitions=9";
  std::string duration = "--benchmark_min_time=0.05";
  for (std::string* flag : {&interleave, &repeat, &duration}) rest.insert(rest.begin() + 1, flag->data());
  int count = static_cast<int>(rest.size());
  benchmark::Initialize(&count, rest.data());
  if (benchmark::ReportUnrecognizedArguments(count, rest.data())) return 2;
  stores = std::make_unique<Stores>(modules);
  benchmark::RegisterBenchmark("find_hit", find_hit);
  benchmark::RegisterBenchmark("lmdb_hit", lmdb_hit);
  benchmark::RegisterBenchmark("find_miss", find_miss);
  benchmark::RegisterBenchmark("lmdb_miss", lmdb_miss);
  benchmark::RegisterBenchmark("copy_8k", copy_8k);
  benchmark::RegisterBenchmark("memcpy_8k", memcpy_8k);
  Medians medians;
  benchmark::RunSpecifiedBenchmarks(&medians);
  std::printf("\n%zu modules of %zu bytes, medians of CPU time\n", modules, kSourceBytes);
  print_ratio(medians, "find, hit", "find_hit", "lmdb_hit", 0.25);
  print_ratio(medians, "find, miss", "find_miss", "find_hit", 0.6);
  print_ratio(medians, "find + copy, 8 KiB hot", "copy_8k", "memcpy_8k", 1.15);
  print_ratio(medians, "miss beside LMDB's miss", "find_miss", "lmdb_miss", 0.25);
  stores.reset();
  return 0;
}
