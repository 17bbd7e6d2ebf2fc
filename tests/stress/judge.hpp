// judge.hpp - readers of the workload: everything they are told must be one published version of what they asked for.
//
// Templates over the protocol, so that a mutant of it can be seen to fail. One thread; any number of processes.
// (J1) Each content describes itself rightly, is of the path that was asked for and not from a later generation.
// (J2) Both halves of a pair are of one commit, in one snapshot. (J3) A path never goes back to an older version.
// (J4) An import name leads to the file of the same version. (J5) Code is that of the version it was found with.
// (J6) A snapshot that is kept can be read, and says the same for as long as it is kept.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>

#include "common/reader/segment.hpp"
#include "self_described.hpp"
#include "workload.hpp"

namespace bifrost::stress {

struct Shipped {
  using Memory = MappedMemory;
  static Memory memory_of(const Segment& segment) { return segment.memory(); }
};

// The mutant: does not look whether a chunk was given back while it read.
struct NeverGone {
  struct Chunk {
    ReadWords words;
    std::uint64_t bytes = 0;
    bool gone() const { return false; }
  };
  class Memory {
   public:
    using Chunk = NeverGone::Chunk;
    Memory() = default;
    explicit Memory(const MappedMemory& mapped)
        : mapped_(mapped), chunks_(std::make_shared<std::map<std::uint64_t, Chunk>>()) {}
    const ReadWords& root() const { return mapped_.root(); }
    const layout::Regions& regions() const { return mapped_.regions(); }
    ChunkNumber chunk_base() const { return mapped_.chunk_base(); }
    const Chunk* chunk(ChunkNumber number) const {
      const MappedChunk* mapped = mapped_.chunk(number);
      if (mapped == nullptr) return nullptr;
      return &chunks_->try_emplace(number.value, Chunk{mapped->words, mapped->bytes}).first->second;
    }

   private:
    MappedMemory mapped_;
    std::shared_ptr<std::map<std::uint64_t, Chunk>> chunks_;
  };
  static Memory memory_of(const Segment& segment) { return Memory(segment.memory()); }
};

struct Tally {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t not_mirrored = 0;
  std::uint64_t gone = 0;  // memory was given back, and the same snapshot found elsewhere
  std::uint64_t lost = 0;  // snapshots that were no longer kept
  std::uint64_t codes = 0;
  std::uint64_t roots = 0;     // attached, one after the other
  std::uint64_t complete = 0;  // snapshots in which a miss is an answer

  Tally& operator+=(const Tally& t) {
    hits += t.hits, misses += t.misses, not_mirrored += t.not_mirrored, gone += t.gone, lost += t.lost;
    codes += t.codes, roots += t.roots, complete += t.complete;
    return *this;
  }
};

inline std::string wrong(Generation at, const std::string& what) {
  return "generation " + std::to_string(at.value) + ": " + what;
}

// A snapshot, and the rules by which a reader keeps hold of it.
template <class Protocol>
class Grip {
 public:
  using Snapshot = BasicSnapshot<typename Protocol::Memory>;
  enum class State { kVersion, kAbsent, kNotMirrored };
  struct Answer {
    State state = State::kAbsent;
    std::uint64_t stamp = 0;
    bool operator==(const Answer&) const = default;
  };

  // `meanwhile` is called between finding and copying: what other processes may do then.
  Grip(std::string dir, std::function<void()> meanwhile) : dir_(std::move(dir)), meanwhile_(std::move(meanwhile)) {}

  Generation generation() const { return snapshot_.generation(); }
  Tally& tally() { return tally_; }
  const Tally& tally() const { return tally_; }

  void take_newest() {
    attach_if_replaced();
    snapshot_ = Snapshot::newest(Protocol::memory_of(*segment_));
    complete_ = segment_->complete(generation());
    if (complete_) ++tally_.complete;
  }

  // Both halves of a pair; nothing when the snapshot is no longer kept.
  std::optional<Answer> pair(unsigned pair) {
    for (int look = 0; look < kMostLooks; ++look) {
      if (const auto answer = look_at(pair)) return answer;
      if (!hold_on()) return std::nullopt;
    }
    throw std::logic_error(wrong(generation(), pair_name(pair) + " is kept, and cannot be read"));
  }

 private:
  static constexpr int kMostLooks = 1000;

  void attach_if_replaced() {
    if (segment_ && !segment_->retired() && published_identity(dir_) == segment_->identity()) return;
    attach();
    ++tally_.roots;
  }
  void attach() {
    auto next = Segment::attach(dir_, {}, segment_.get());
    if (!next) throw std::logic_error("cannot attach: " + next.error().message);
    segment_ = std::move(*next);
  }
  // The same generation through the newest root. False when it is not kept there.
  bool hold_on() {
    attach();
    snapshot_ = Snapshot(Protocol::memory_of(*segment_), generation());
    ++(snapshot_.kept() ? tally_.gone : tally_.lost);
    return snapshot_.kept();
  }

  // Nothing when memory was given back meanwhile.
  std::optional<Answer> look_at(unsigned pair) {
    const auto left = ask(left_of(pair) + ".py");
    if (!left) return std::nullopt;
    const auto right = ask(right_of(pair) + ".py");
    if (!right) return std::nullopt;
    const bool both_known = left->state != State::kNotMirrored && right->state != State::kNotMirrored;
    if (both_known && *left != *right) {
      throw std::logic_error(wrong(
          generation(), fmt::format("the halves of {} are of {} and {}", pair_name(pair), left->stamp, right->stamp)));
    }
    if (!node_agrees(pair, *left)) return std::nullopt;
    return both_known ? left : Answer{State::kNotMirrored, left->stamp + right->stamp};
  }

  std::optional<Answer> ask(const std::string& path) {
    const Found found = snapshot_.find_file(path);
    switch (found.status) {
      case Lookup::kGone: return std::nullopt;
      case Lookup::kMiss: ++tally_.misses; return Answer{complete_ ? State::kAbsent : State::kNotMirrored, 0};
      case Lookup::kNotMirrored: ++tally_.not_mirrored; return Answer{State::kNotMirrored, 0};
      case Lookup::kDamaged: throw std::logic_error(wrong(generation(), path + " is damaged"));
      case Lookup::kHit: break;
    }
    meanwhile_();
    std::string content;
    if (snapshot_.copy_content(found.record, content) != Lookup::kHit) return std::nullopt;
    const auto stamp = stamp_of(path, content);
    if (!stamp) throw std::logic_error(wrong(generation(), path + " holds `" + content.substr(0, 80) + "`"));
    if (*stamp > generation().value) throw std::logic_error(wrong(generation(), path + " is from a later one"));
    ++tally_.hits;
    if (!code_agrees(found.record, path, *stamp)) return std::nullopt;
    return Answer{State::kVersion, *stamp};
  }

  // False when memory was given back meanwhile.
  bool code_agrees(const RecordRef& record, const std::string& path, std::uint64_t stamp) {
    VariantRef variant;
    switch (snapshot_.find_variant(record, path, kTag, variant)) {
      case Lookup::kGone: return false;
      case Lookup::kMiss: return true;
      case Lookup::kHit: break;
      default: throw std::logic_error(wrong(generation(), "the code of " + path + " is damaged"));
    }
    std::string code(variant.code_bytes, '\0');
    switch (snapshot_.read_code(variant, code.data())) {
      case Lookup::kGone: return false;
      case Lookup::kHit: break;
      default: throw std::logic_error(wrong(generation(), "the code of " + path + " is torn"));
    }
    if (code != code_for(path, stamp)) throw std::logic_error(path + " has `" + code + "`");
    ++tally_.codes;
    return true;
  }

  bool node_agrees(unsigned pair, const Answer& left) {
    const FoundNode found = snapshot_.find_node(left_of(pair));
    if (found.status == Lookup::kGone) return false;
    const std::string name = "the name " + left_of(pair);
    if (found.status == Lookup::kDamaged) throw std::logic_error(wrong(generation(), name + " is damaged"));
    if (found.status == Lookup::kMiss && !complete_) return true;
    if ((found.status == Lookup::kMiss) != (left.state == State::kAbsent)) {
      throw std::logic_error(wrong(generation(), name + " and its file disagree"));
    }
    if (left.state != State::kVersion) return true;
    std::string content;
    if (snapshot_.copy_content(found.file, content) != Lookup::kHit) return false;
    if (stamp_of(left_of(pair) + ".py", content) != left.stamp) {
      throw std::logic_error(wrong(generation(), name + " leads to another version"));
    }
    return true;
  }

  std::string dir_;
  std::function<void()> meanwhile_;
  std::shared_ptr<const Segment> segment_;
  Snapshot snapshot_;
  bool complete_ = false;  // else a miss says nothing
  Tally tally_;
};

// A reader of short executions: a new snapshot for some lookups. Its step throws std::logic_error when told something
// wrong.
template <class Protocol>
class Judge {
 public:
  explicit Judge(
      std::string dir, std::uint64_t seed, std::function<void()> meanwhile = [] {})
      : grip_(std::move(dir), std::move(meanwhile)), random_(seed) {}

  void step() {
    grip_.take_newest();
    for (std::uint64_t lookups = 1 + random_() % 32; lookups > 0; --lookups) {
      const auto pair = static_cast<unsigned>(random_() % kPairs);
      const auto answer = grip_.pair(pair);
      if (!answer) return;
      if (answer->state != Grip<Protocol>::State::kVersion) continue;
      std::uint64_t& seen = seen_[pair];
      if (answer->stamp < seen) {
        throw std::logic_error(
            wrong(grip_.generation(), fmt::format("{} went back to {} from {}", pair_name(pair), answer->stamp, seen)));
      }
      seen = answer->stamp;
    }
  }
  const Tally& tally() const { return grip_.tally(); }

 private:
  Grip<Protocol> grip_;
  std::mt19937_64 random_;
  std::array<std::uint64_t, kPairs> seen_{};
};

// A reader of one long execution: its snapshot is asked the same things again and again. It takes another one only when
// that is lost.
template <class Protocol>
class Pinned {
 public:
  using Answer = typename Grip<Protocol>::Answer;

  Pinned(std::string dir, std::uint64_t seed) : grip_(std::move(dir), [] {}), random_(seed) {}

  void step() {
    if (!pinned_) {
      grip_.take_newest();
      known_ = {};
      pinned_ = true;
    }
    for (int lookups = 0; lookups < 16; ++lookups) {
      const auto pair = static_cast<unsigned>(random_() % kPairs);
      const auto answer = grip_.pair(pair);
      if (!answer) {
        pinned_ = false;
        return;
      }
      if (!known_[pair]) known_[pair] = *answer;
      if (*known_[pair] != *answer) {
        throw std::logic_error(wrong(grip_.generation(), fmt::format("{} was {} and is {}", pair_name(pair),
                                                                     known_[pair]->stamp, answer->stamp)));
      }
    }
  }
  // Asks everything once, so that all of it is known before anything changes.
  void learn() {
    while (!learned()) step();
  }
  Generation generation() const { return grip_.generation(); }
  const Tally& tally() const { return grip_.tally(); }

 private:
  bool learned() const {
    for (const auto& answer : known_) {
      if (!answer) return false;
    }
    return pinned_;
  }

  Grip<Protocol> grip_;
  std::mt19937_64 random_;
  bool pinned_ = false;
  std::array<std::optional<Answer>, kPairs> known_{};
};

}  // namespace bifrost::stress
