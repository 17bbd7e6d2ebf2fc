#include "crash_check.hpp"

#include <algorithm>
#include <random>

#include "common/reader/snapshot.hpp"
#include "reader_answers.hpp"
#include "replay.hpp"
#include "store_index.hpp"
#include "tests/common/copy_words.hpp"

namespace bifrost::crash {
namespace {

using store_log::file_truth;
using store_log::kLostAnswer;
using store_log::kMissAnswer;
using store_log::kNoImage;
using store_log::kNotMirroredAnswer;
using store_log::node_answer;
using store_log::node_truth;
using store_log::Pin;
using store_log::RecordedWriter;
using store_log::Store;
using store_log::Truth;
using store_log::verified_answer;

constexpr std::size_t kMaxViolations = 5;
constexpr std::size_t kPinsWatched = 6;  // the newest ones: older snapshots are lost in the same way
constexpr std::size_t kReorderWindow = 48;

class CrashCheck {
 public:
  CrashCheck(const RecordedWriter& writer, const std::vector<Store>& stores, const Questions& questions)
      : writer_(writer), stores_(stores), questions_(questions), replay_(stores, writer.log().image_bytes()) {}

  CrashReport run(std::size_t begin, unsigned reorderings) {
    while (replay_.done() < begin) replay_.step();
    std::mt19937_64 random(20260101);
    do {
      look_at_prefix();
      // Mostly few stores left out, sometimes few kept.
      for (unsigned r = 0; r < reorderings; ++r) {
        const std::uint32_t keep = r % 3 == 0 ? 248 : r % 3 == 1 ? 128 : 16;
        replay_.with_reordering(random, kReorderWindow, keep, [&] { look("reordered", named_after(), true); });
      }
    } while (replay_.step() && report_.violations.size() < kMaxViolations);
    return report_;
  }

 private:
  // The name before the rename that may lie between the last store and the next, and after it.
  std::uint32_t named_before() const { return replay_.done() == 0 ? kNoImage : stores_[replay_.done() - 1].named; }
  std::uint32_t named_after() const {
    return replay_.done() < stores_.size() ? stores_[replay_.done()].named : stores_.back().named;
  }

  void look_at_prefix() {
    look("prefix", named_before(), false);
    if (named_after() != named_before()) look("prefix after rename", named_after(), false);
  }

  void look(const char* what, std::uint32_t named, bool may_be_lost) {
    ++report_.images;
    what_ = what;
    if (named != kNoImage) {
      const ReadWords words = replay_.words(named);
      if (words.relaxed(layout::header::kMagic) != layout::kMagic ||
          words.relaxed(layout::header::kFingerprint) != layout::fingerprint() ||
          words.relaxed(layout::header::kTotalBytes) != replay_.regions(named).total_bytes) {
        return violation("a file with the name has no valid header");
      }
      ask(named, Snapshot::newest(words, replay_.regions(named)), may_be_lost);
      if (words.relaxed(layout::control::kRetired) != 0) violation("retired, and has no successor");
    }
    std::size_t watched = 0;
    for (auto pin = writer_.pins().rbegin(); pin != writer_.pins().rend() && watched < kPinsWatched; ++pin) {
      if (pin->position > replay_.done()) continue;  // no reader can have taken it yet
      ++watched;
      const ReadWords words = replay_.words(pin->image);
      const bool given_up = words.relaxed(layout::control::kOldestGeneration) > pin->generation.value;
      ask(pin->image, Snapshot(words, replay_.regions(pin->image), pin->generation), may_be_lost || given_up);
    }
  }

  void ask(std::uint32_t image, const Snapshot& snapshot, bool may_be_lost) {
    if (!writer_.knows(snapshot.generation())) return violation("a generation that was never published");
    const Truth& truth = writer_.truth(snapshot.generation());
    for (const std::string& path : questions_.paths) {
      const std::string code = store_log::code_answer<VariantRef>(snapshot, path);
      if (code == kMissAnswer || code == kNotMirroredAnswer) continue;  // none attached yet
      compare(image, snapshot, path, code, store_log::code_of(file_truth(truth, path)), may_be_lost);
    }
    // Nodes on every other image: they take two lookups each.
    for (const std::string& path : questions_.paths) {
      compare(image, snapshot, path, verified_answer(snapshot, path), file_truth(truth, path), may_be_lost);
    }
    if (report_.images % 2 != 0) return;
    for (const std::string& node : questions_.nodes) {
      compare(image, snapshot, node, node_answer(snapshot, node), node_truth(truth, node), may_be_lost);
    }
  }

  void compare(std::uint32_t image, const Snapshot& snapshot, const std::string& key, const std::string& answer,
               const std::string& truth, bool may_be_lost) {
    ++report_.answers;
    if (answer == truth) return;
    if (answer == kLostAnswer && may_be_lost) {
      ++report_.lost;
      return;
    }
    violation("image " + std::to_string(image) + " generation " + std::to_string(snapshot.generation().value) + " " +
              key + ": `" + answer.substr(0, 40) + "` instead of `" + truth.substr(0, 40) + "`");
  }

  void violation(const std::string& text) {
    if (report_.violations.size() >= kMaxViolations) return;
    report_.violations.push_back(std::string(what_) + " after " + std::to_string(replay_.done()) + " stores: " + text);
  }

  const RecordedWriter& writer_;
  const std::vector<Store>& stores_;
  const Questions& questions_;
  Replay replay_;
  CrashReport report_;
  const char* what_ = "";
};

// Loads from a segment while its writer goes on: each load sees the stores up to a time that never falls.
class MovingWords {
 public:
  using Word = layout::Word;
  struct Clock {
    const store_log::StoreIndex* index = nullptr;
    std::mt19937_64* random = nullptr;
    std::uint64_t now = 0;  // stores made
    std::uint64_t end = 0;
    std::uint64_t stride = 1;
  };

  MovingWords(Clock* clock, std::uint32_t image) : clock_(clock), image_(image) {}

  Word acquire(std::uint64_t offset) const { return relaxed(offset); }
  Word relaxed(std::uint64_t offset) const {
    clock_->now = std::min(clock_->now + (*clock_->random)() % clock_->stride, clock_->end);
    return clock_->index->value_after(image_, offset, clock_->now);
  }
  void fence_acquire() const {}
  void copy_out(std::uint64_t offset, void* to, std::uint64_t bytes) const { copy_words(*this, offset, to, bytes); }

 private:
  Clock* clock_;
  std::uint32_t image_;
};

}  // namespace

CrashReport check_every_crash(const RecordedWriter& writer, const std::vector<Store>& stores, std::size_t begin,
                              const Questions& questions, unsigned reorderings) {
  return CrashCheck(writer, stores, questions).run(begin, reorderings);
}

CrashReport check_slow_readers(const RecordedWriter& writer, std::size_t begin, const Questions& questions,
                               unsigned readers) {
  CrashReport report;
  const store_log::StoreIndex index(writer.log().stores());
  std::mt19937_64 random(20260102);
  for (unsigned r = 0; r < readers && report.violations.size() < kMaxViolations; ++r) {
    ++report.images;
    const Pin& pin = writer.pins()[random() % writer.pins().size()];
    MovingWords::Clock clock{&index, &random, std::max<std::uint64_t>(pin.position, begin), writer.log().size(), 1};
    clock.stride = std::uint64_t{1} << random() % 8;
    const std::uint64_t bytes = writer.log().image_bytes()[pin.image];
    const BasicSnapshot<MovingWords> snapshot(MovingWords(&clock, pin.image), layout::compute_regions(bytes),
                                              pin.generation);
    const std::string& path = questions.paths[random() % questions.paths.size()];
    const std::string answer = verified_answer(snapshot, path);
    const std::string truth = file_truth(writer.truth(pin.generation), path);
    ++report.answers;
    if (answer == kLostAnswer) ++report.lost;
    if (answer != truth && answer != kLostAnswer) {
      report.violations.push_back("generation " + std::to_string(pin.generation.value) + " " + path + ": `" +
                                  answer.substr(0, 40) + "` instead of `" + truth.substr(0, 40) + "`");
    }
  }
  return report;
}

}  // namespace bifrost::crash
