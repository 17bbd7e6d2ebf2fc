#include "side_by_side.hpp"

#include <fmt/format.h>

#include <map>
#include <vector>

#include "processes.hpp"

namespace bifrost::bench {
namespace {

constexpr int kRounds = 5;
constexpr int kMilliseconds = 300;

class Rounds {
 public:
  Rounds(Stores& stores, const std::vector<Load>& loads) {
    for (int round = 0; round < kRounds; ++round) {
      for (const Load& load : loads) all_[load].push_back(read_for(stores, load, kMilliseconds));
    }
  }
  double middle(const Load& load, double Readings::*member) const {
    std::vector<double> values;
    for (const Readings& r : all_.at(load)) values.push_back(r.*member);
    return median(values);
  }
  std::uint64_t sum(const Load& load, std::uint64_t Readings::*member) const {
    std::uint64_t sum = 0;
    for (const Readings& r : all_.at(load)) sum += r.*member;
    return sum;
  }

 private:
  std::map<Load, std::vector<Readings>> all_;
};

std::optional<double> none() {
  return {};
}

}  // namespace

void several_processes(Stores& stores, Report& report) {
  stores.make_copies(2);
  std::vector<Load> loads;
  for (const Reading reading : {Reading::kArithmetic, Reading::kOwnCopy, Reading::kSegment}) {
    loads.push_back({1, reading, Writing::kNone});
    loads.push_back({2, reading, Writing::kNone});
    loads.push_back({1, reading, Writing::kUniform});
  }
  for (const Reading reading : {Reading::kOwnCopy, Reading::kSegment, Reading::kHotOwnCopy, Reading::kHotKey}) {
    loads.push_back({1, reading, Writing::kOneHotKey});
  }
  const Rounds rounds(stores, loads);
  const std::size_t modules = stores.modules();

  const auto rates = [&](const std::string& what, const Load& load, std::optional<double> budget) {
    const auto rate = [&](const Load& of) { return rounds.middle(of, &Readings::lookups_per_second) / 1000; };
    report.add(
        {modules, what, rate(load), "one, alone", rate({1, load.reading, Writing::kNone}), "k/s", budget, false});
  };
  rates("two reader processes", {2, Reading::kSegment, Writing::kNone}, 1.9);
  rates("  control: nothing shared", {2, Reading::kOwnCopy, Writing::kNone}, none());
  rates("  control: arithmetic only", {2, Reading::kArithmetic, Writing::kNone}, none());
  rates("reader beside a writer, uniform", {1, Reading::kSegment, Writing::kUniform}, 0.95);
  rates("  control: nothing shared", {1, Reading::kOwnCopy, Writing::kUniform}, none());
  rates("  control: arithmetic only", {1, Reading::kArithmetic, Writing::kUniform}, none());
  rates("reader beside a writer, hot key", {1, Reading::kSegment, Writing::kOneHotKey}, 0.95);
  rates("  control: nothing shared", {1, Reading::kOwnCopy, Writing::kOneHotKey}, none());

  const auto tails = [&](const std::string& what, const Load& load, std::optional<double> budget) {
    const double p50 = rounds.middle(load, &Readings::p50_ns);
    report.add(
        {modules, "p99.9 of " + what, rounds.middle(load, &Readings::p999_ns), "its p50", p50, "ns", budget, true});
    report.add({modules, "p99 of " + what, rounds.middle(load, &Readings::p99_ns), "its p50", p50, "ns", {}, true});
    const auto measured = static_cast<double>(rounds.sum(load, &Readings::measured));
    const std::uint64_t slow = rounds.sum(load, &Readings::slow);
    std::string note = fmt::format("{:>8} {}: {:.4f} % take more than {} ns", modules, what,
                                   100 * static_cast<double>(slow) / measured, kSlowNs);
    if (slow != 0) {
      note += fmt::format(
          ", {:.0f} % of them map a page",
          100 * static_cast<double>(rounds.sum(load, &Readings::slow_by_fault)) / static_cast<double>(slow));
    }
    if (load.writing != Writing::kNone) {
      note += fmt::format("; {:.0f} commits/s, memory gone {} times in {} ms",
                          rounds.middle(load, &Readings::commits_per_second), rounds.sum(load, &Readings::gone),
                          kRounds * kMilliseconds);
    }
    report.note(note);
  };
  tails("find, alone", {1, Reading::kSegment, Writing::kNone}, none());
  tails("find, writer, uniform", {1, Reading::kSegment, Writing::kUniform}, 10);
  tails("  control: nothing shared", {1, Reading::kOwnCopy, Writing::kUniform}, none());
  tails("find, writer, hot key", {1, Reading::kSegment, Writing::kOneHotKey}, 10);
  tails("  control: nothing shared", {1, Reading::kOwnCopy, Writing::kOneHotKey}, none());
  tails("find of the hot key only", {1, Reading::kHotKey, Writing::kOneHotKey}, 10);
  tails("  control: nothing shared", {1, Reading::kHotOwnCopy, Writing::kOneHotKey}, none());
}

}  // namespace bifrost::bench
