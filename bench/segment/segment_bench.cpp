// segment_bench.cpp - what does one lookup cost beside LMDB and a hash map in the process, one copy beside memcpy, and
// what do other readers and a writer at full speed cost a reader?
//
// Same process, same keys, same values; the newest generation is renewed before each lookup as LMDB's read transaction
// is. Peers run interleaved, repeatedly; ratios are those of medians, beside the budget.
// Run: build/release/bin/segment-bench [--modules=4000,100000,1000000] [--json=FILE] [--no-processes]
//      [any Google Benchmark flag]
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "report.hpp"
#include "side_by_side.hpp"
#include "steps.hpp"
#include "stores.hpp"

namespace bifrost::bench {
namespace {

std::unique_ptr<Stores> all_stores;

void find_hit(benchmark::State& state) {
  std::size_t i = 0;
  for (auto _ : state) {
    const Found found = all_stores->segment().snapshot().find_file(all_stores->hits()[i++]);
    if (found.status != Lookup::kHit) die("a hit missed");
    benchmark::DoNotOptimize(found);
  }
}
void find_miss(benchmark::State& state) {
  std::size_t i = 0;
  for (auto _ : state) {
    const Found found = all_stores->segment().snapshot().find_file(all_stores->misses()[i++]);
    if (found.status != Lookup::kMiss) die("a miss hit");
    benchmark::DoNotOptimize(found);
  }
}
void lmdb(benchmark::State& state, const Questions& questions, bool renew, bool there) {
  std::size_t i = 0;
  MDB_val value;
  for (auto _ : state) {
    if (all_stores->lmdb_get(questions[i++], value, renew) != there) die("LMDB answers otherwise");
    benchmark::DoNotOptimize(value);
  }
}
void map_hit(benchmark::State& state) {
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(all_stores->map().find(all_stores->hits()[i++])->second.data());
}

// Both copies go to the same buffer: another alignment would be measured instead.
alignas(64) char copy_from[kCopyBytes[4]];
std::string copy_to;

void copy(benchmark::State& state, std::size_t bytes) {
  const std::string path = Stores::copy_path(bytes);
  for (auto _ : state) {
    const Snapshot snapshot = all_stores->segment().snapshot();
    const Found found = snapshot.find_file(path);
    if (snapshot.copy_content(found.record, copy_to) != Lookup::kHit) die("a copy was lost");
    benchmark::DoNotOptimize(copy_to.data());
  }
}
void plain_copy(benchmark::State& state, std::size_t bytes) {
  copy_to.resize(bytes);
  for (auto _ : state) {
    const char* source = copy_from;
    benchmark::DoNotOptimize(source);
    std::memcpy(copy_to.data(), source, bytes);
    benchmark::DoNotOptimize(copy_to.data());
    benchmark::ClobberMemory();
  }
}

// Collects the time of every repetition, in ns, instead of printing it.
class Collector : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      const double to_ns = 1e9 / benchmark::GetTimeUnitMultiplier(run.time_unit);
      times_[run.run_name.function_name].push_back(run.GetAdjustedCPUTime() * to_ns);
    }
  }
  double of(const std::string& name) const {
    const auto found = times_.find(name);
    return found == times_.end() ? 0 : median(found->second);
  }

 private:
  std::map<std::string, std::vector<double>> times_;
};

std::string size_name(std::size_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  return bytes < 1024 * 1024 ? fmt::format("{} KiB", bytes / 1024) : fmt::format("{} MiB", bytes / 1024 / 1024);
}

// Returns the time of a hit, for the comparison of table sizes.
double one_process(Report& report) {
  benchmark::ClearRegisteredBenchmarks();
  benchmark::RegisterBenchmark("find_hit", find_hit);
  benchmark::RegisterBenchmark("lmdb_hit", [](auto& s) { lmdb(s, all_stores->hits(), true, true); });
  benchmark::RegisterBenchmark("lmdb_hit_within", [](auto& s) { lmdb(s, all_stores->hits(), false, true); });
  benchmark::RegisterBenchmark("map_hit", map_hit);
  benchmark::RegisterBenchmark("find_miss", find_miss);
  benchmark::RegisterBenchmark("lmdb_miss", [](auto& s) { lmdb(s, all_stores->misses(), true, false); });
  for (const std::size_t bytes : kCopyBytes) {
    benchmark::RegisterBenchmark(("copy_" + size_name(bytes)).c_str(), [bytes](auto& s) { copy(s, bytes); });
    benchmark::RegisterBenchmark(("memcpy_" + size_name(bytes)).c_str(), [bytes](auto& s) { plain_copy(s, bytes); });
  }
  Collector times;
  benchmark::RunSpecifiedBenchmarks(&times);
  const auto row = [&](const std::string& what, const char* ours, const std::string& peer, const char* theirs,
                       std::optional<double> budget) {
    report.add({all_stores->modules(), what, times.of(ours), peer, times.of(theirs), "ns", budget, true});
  };
  row("find, hit", "find_hit", "LMDB, renewed", "lmdb_hit", 0.25);
  row("find, hit", "find_hit", "LMDB, one transaction", "lmdb_hit_within", {});
  row("find, hit", "find_hit", "unordered_map", "map_hit", {});
  row("find, miss", "find_miss", "find, hit", "find_hit", 0.6);
  row("find, miss", "find_miss", "LMDB's miss, renewed", "lmdb_miss", {});
  for (const std::size_t bytes : kCopyBytes) {
    const std::string size = size_name(bytes);
    const auto budget = bytes == 8192 ? std::optional<double>(1.15) : std::nullopt;
    row("find and copy " + size + ", hot", ("copy_" + size).c_str(), "memcpy", ("memcpy_" + size).c_str(), budget);
  }
  return times.of("find_hit");
}

// Large tables get small sources: lookups never touch them, and both stores have to fit memory.
std::size_t source_bytes_for(std::size_t modules) {
  return modules <= 10'000 ? 7 * 1024 : modules <= 200'000 ? 1024 : 256;
}

std::vector<std::size_t> numbers(const char* text) {
  std::vector<std::size_t> all;
  for (char* end = nullptr;; text = end + 1) {
    all.push_back(std::strtoull(text, &end, 10));
    if (all.back() == 0 || all.back() > 2'000'000) die("--modules takes numbers from 1 to 2000000");
    if (*end != ',') return all;
  }
}

int run(int argc, char** argv) {
  std::vector<std::size_t> sizes = {4000, 100'000, 1'000'000};
  std::string json;
  std::string command;
  bool processes = true;
  std::vector<char*> rest;
  for (int i = 0; i < argc; ++i) {
    command += (i == 0 ? "" : " ") + std::string(argv[i]);
    if (std::strncmp(argv[i], "--modules=", 10) == 0) {
      sizes = numbers(argv[i] + 10);
    } else if (std::strncmp(argv[i], "--json=", 7) == 0) {
      json = argv[i] + 7;
    } else if (std::strcmp(argv[i], "--no-processes") == 0) {
      processes = false;
    } else {
      rest.push_back(argv[i]);
    }
  }
  std::string interleave = "--benchmark_enable_random_interleaving=true";
  std::string repeat = "--benchmark_repetitions=9";
  std::string duration = "--benchmark_min_time=0.03";
  for (std::string* flag : {&interleave, &repeat, &duration}) rest.insert(rest.begin() + 1, flag->data());
  int count = static_cast<int>(rest.size());
  benchmark::Initialize(&count, rest.data());
  if (benchmark::ReportUnrecognizedArguments(count, rest.data())) return 2;
  Report report;
  double first_hit = 0;
  for (const std::size_t modules : sizes) {
    all_stores.reset();
    all_stores = std::make_unique<Stores>(modules, source_bytes_for(modules));
    const double hit = one_process(report);
    if (first_hit == 0) first_hit = hit;
    if (modules != sizes.front()) {
      report.add({modules, "find, hit", hit, fmt::format("{} modules", sizes.front()), first_hit, "ns",
                  modules == 1'000'000 && sizes.front() == 4000 ? std::optional<double>(3) : std::nullopt, true});
    }
    for (const auto& [what, questions] :
         {std::pair{"hit", &all_stores->hits()}, std::pair{"miss", &all_stores->misses()}}) {
      const Steps steps = steps_of(all_stores->segment(), *questions);
      report.note(fmt::format("{:>8} steps of a {}: {:.2f} slots (at most {}), {:.2f} record headers (at most {})",
                              modules, what, steps.mean_slots, steps.most_slots, steps.mean_headers,
                              steps.most_headers));
    }
    if (processes) several_processes(*all_stores, report);
  }
  all_stores.reset();
  if (!json.empty() && !report.write_json(json, command)) die("cannot write " + json);
  return 0;
}

}  // namespace
}  // namespace bifrost::bench

int main(int argc, char** argv) {
  return bifrost::bench::run(argc, argv);
}
