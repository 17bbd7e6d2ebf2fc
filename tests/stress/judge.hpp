// judge.hpp - one reader of the workload: everything it is told must be one published version of what it asked for.
//
// A template over the protocol, so that a mutant of it can be seen to fail. One thread; any number of processes.
// (J1) Each content describes itself rightly, is of the path that was asked for and not from a later generation.
// (J2) Both halves of a pair are of one commit, in one snapshot. (J3) A path never goes back to an older version.
// (J4) An import name leads to the file of the same version. (J5) Code is that of the version it was found with.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "common/reader/segment.hpp"
#include "self_described.hpp"
#include "workload.hpp"

namespace bifrost::stress {

struct Shipped {
  using Snapshot = bifrost::BasicSnapshot<ReadWords>;
  using Variant = bifrost::VariantRef;
};

struct Tally {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t not_mirrored = 0;
  std::uint64_t lost = 0;
  std::uint64_t codes = 0;
  std::uint64_t segments = 0;  // attached, one after the other
};

template <class Protocol>
class Judge {
 public:
  using Snapshot = typename Protocol::Snapshot;

  // `meanwhile` is called between finding and copying: what other processes may do then.
  Judge(
      std::string dir, std::uint64_t seed, std::function<void()> meanwhile = [] {})
      : dir_(std::move(dir)), random_(seed), meanwhile_(std::move(meanwhile)) {}

  // Some lookups of one snapshot. Throws std::logic_error when told something wrong.
  void step() {
    move_when_retired();
    const Snapshot snapshot = Snapshot::newest(segment_->words(), segment_->regions());
    const std::uint64_t lookups = 1 + random_() % 32;
    for (std::uint64_t i = 0; i < lookups; ++i) {
      if (!judge_pair(snapshot, static_cast<unsigned>(random_() % kPairs))) {
        ++tally_.lost;
        return;
      }
    }
  }
  const Tally& tally() const { return tally_; }

 private:
  enum class State { kVersion, kAbsent, kNotMirrored, kLost };
  struct Answer {
    State state = State::kLost;
    std::uint64_t stamp = 0;
  };
  struct Seen {
    std::uint64_t generation = 0;
    std::uint64_t stamp = 0;
  };

  void move_when_retired() {
    if (segment_ && !segment_->retired()) return;
    const auto next = Segment::attach(dir_);
    if (!next) throw std::logic_error("cannot attach: " + next.error().message);
    segment_ = *next;
    ++tally_.segments;
  }

  // False when the snapshot is lost.
  bool judge_pair(const Snapshot& snapshot, unsigned pair) {
    const std::string left_path = left_of(pair) + ".py";
    const Answer left = ask(snapshot, left_path, seen_[2 * pair]);
    if (left.state == State::kLost) return false;
    const Answer right = ask(snapshot, right_of(pair) + ".py", seen_[2 * pair + 1]);
    if (right.state == State::kLost) return false;
    const bool both_known = left.state != State::kNotMirrored && right.state != State::kNotMirrored;
    if (both_known && (left.state != right.state || left.stamp != right.stamp)) {
      throw std::logic_error(fmt::format("generation {}: the halves of {} are of {} and {}",
                                         snapshot.generation().value, pair_name(pair), left.stamp, right.stamp));
    }
    return judge_node(snapshot, pair, left);
  }

  Answer ask(const Snapshot& snapshot, const std::string& path, Seen& seen) {
    const auto found = snapshot.find_file(path);
    using Lookup = std::decay_t<decltype(found.status)>;
    switch (found.status) {
      case Lookup::kSnapshotLost: return {};
      case Lookup::kMiss: ++tally_.misses; return {State::kAbsent, 0};
      case Lookup::kNotMirrored: ++tally_.not_mirrored; return {State::kNotMirrored, 0};
      case Lookup::kDamaged: throw std::logic_error(path + " is damaged");
      case Lookup::kHit: break;
    }
    meanwhile_();
    std::string content;
    if (snapshot.copy_content(found.record, content) != Lookup::kHit) return {};
    const auto stamp = stamp_of(path, content);
    if (!stamp) throw std::logic_error(path + " holds `" + content.substr(0, 80) + "`");
    const std::uint64_t generation = snapshot.generation().value;
    if (*stamp > generation) throw std::logic_error(path + " is from a later generation");
    if (generation >= seen.generation) {
      if (*stamp < seen.stamp) throw std::logic_error(fmt::format("{} went back to {}", path, *stamp));
      seen = {generation, *stamp};
    }
    ++tally_.hits;
    return judge_code(snapshot, found.record, path, *stamp) ? Answer{State::kVersion, *stamp} : Answer{};
  }

  template <class Record>
  bool judge_code(const Snapshot& snapshot, const Record& record, const std::string& path, std::uint64_t stamp) {
    typename Protocol::Variant variant;
    const auto status = snapshot.find_variant(record, path, kTag, variant);
    using Lookup = std::decay_t<decltype(status)>;
    if (status == Lookup::kSnapshotLost) return false;
    if (status == Lookup::kMiss) return true;
    if (status != Lookup::kHit) throw std::logic_error("the code of " + path + " is damaged");
    std::string code(variant.code_bytes, '\0');
    switch (snapshot.read_code(variant, code.data())) {
      case Lookup::kSnapshotLost: return false;
      case Lookup::kHit: break;
      default: throw std::logic_error("the code of " + path + " is torn");
    }
    if (code != code_for(path, stamp)) throw std::logic_error(path + " has `" + code + "`");
    ++tally_.codes;
    return true;
  }

  bool judge_node(const Snapshot& snapshot, unsigned pair, const Answer& left) {
    const auto found = snapshot.find_node(left_of(pair));
    using Lookup = std::decay_t<decltype(found.status)>;
    if (found.status == Lookup::kSnapshotLost) return false;
    if (found.status == Lookup::kDamaged) throw std::logic_error("the name " + left_of(pair) + " is damaged");
    if ((found.status == Lookup::kMiss) != (left.state == State::kAbsent)) {
      throw std::logic_error("the name " + left_of(pair) + " and its file disagree");
    }
    if (left.state != State::kVersion) return true;
    std::string content;
    if (snapshot.copy_content(found.file, content) != Lookup::kHit) return false;
    if (stamp_of(left_of(pair) + ".py", content) != left.stamp) {
      throw std::logic_error("the name " + left_of(pair) + " leads to another version");
    }
    return true;
  }

  std::string dir_;
  std::mt19937_64 random_;
  std::function<void()> meanwhile_;
  std::shared_ptr<const Segment> segment_;
  std::array<Seen, 2 * kPairs> seen_{};
  Tally tally_;
};

}  // namespace bifrost::stress
