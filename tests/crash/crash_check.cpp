#include "crash_check.hpp"

#include <algorithm>
#include <random>
#include <set>

#include "heir.hpp"
#include "reader_answers.hpp"
#include "replay.hpp"

namespace bifrost::crash {
namespace {

using store_log::file_truth;
using store_log::kGoneAnswer;
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
constexpr std::size_t kReorderWindow = 48;

using ReplaySnapshot = BasicSnapshot<Replay::Memory>;

class CrashCheck {
 public:
  CrashCheck(const RecordedWriter& writer, const std::vector<Store>& stores, const Questions& questions)
      : writer_(writer), stores_(stores), questions_(questions), replay_(stores, writer.log().images()) {}

  CrashReport run(std::size_t begin, const Effort& effort) {
    while (replay_.done() < begin) replay_.step();
    std::mt19937_64 random(20260101);
    do {
      look("prefix");
      const bool edge = replay_.done() < stores_.size() && stores_[replay_.done()].order != store_log::Order::kRelaxed;
      const unsigned one_in = edge ? (effort.successions + 15) / 16 : effort.successions;
      if (one_in != 0 && random() % one_in == 0) succeed();
      // Mostly few stores left out, sometimes few kept.
      for (unsigned r = 0; r < effort.reorderings; ++r) {
        const std::uint32_t keep = r % 3 == 0 ? 248 : r % 3 == 1 ? 128 : 16;
        const bool heir = effort.successions != 0 && random() % (4 * effort.successions) == 0;
        replay_.with_reordering(random, kReorderWindow, keep, [&] {
          look("reordered");
          if (heir) succeed();
        });
      }
    } while (replay_.step() && report_.violations.size() < kMaxViolations);
    return report_;
  }

 private:
  void look(const char* what) {
    ++report_.images;
    what_ = what;
    if (const std::uint32_t named = replay_.named_root(); named != kNoImage) {
      const ReadWords words = replay_.words(named);
      if (words.relaxed(layout::prefix::kMagic) != layout::header::kMagic ||
          words.relaxed(layout::prefix::kFingerprint) != layout::fingerprint() ||
          words.relaxed(layout::prefix::kTotalBytes) != writer_.log().images()[named].bytes) {
        return violation("a file with the name has no valid header");
      }
      if (words.relaxed(layout::control::kRetired) != 0) violation("retired, and has no successor");
      // Comes now: it can map what has a name.
      ask(ReplaySnapshot::newest(replay_.memory(named, fresh_)));
    }
    for (const Pin& pin : watched()) {
      // Came earlier: it has mapped whatever had a name since.
      ask(ReplaySnapshot(replay_.memory(pin.root, old_), pin.generation));
    }
  }

  // The newest pins, some of those before them, and the first.
  std::vector<Pin> watched() const {
    const auto& pins = writer_.pins();
    const auto end = std::partition_point(pins.begin(), pins.end(),
                                          [this](const Pin& pin) { return pin.position <= replay_.done(); });
    const auto count = static_cast<std::size_t>(end - pins.begin());
    std::set<std::size_t> chosen;
    for (std::size_t back = 1; back <= count; back = back < 3 ? back + 1 : back * 2) chosen.insert(count - back);
    if (count != 0) chosen.insert(0);
    std::vector<Pin> watched;
    for (const std::size_t n : chosen) watched.push_back(pins[n]);
    return watched;
  }

  template <class Snapshot>
  void ask(const Snapshot& snapshot) {
    if (!writer_.knows(snapshot.generation())) return violation("a generation that was never published");
    const Truth& truth = writer_.truth(snapshot.generation());
    for (const std::string& path : questions_.paths) {
      const std::string code = store_log::code_answer<VariantRef>(snapshot, path);
      // None attached yet, or dropped for lack of room: workers compile for themselves.
      if (code == kMissAnswer || code == kNotMirroredAnswer || code == kGoneAnswer) continue;
      compare(snapshot, path, code, store_log::code_of(file_truth(truth, path)));
    }
    for (const std::string& path : questions_.paths) {
      compare(snapshot, path, verified_answer(snapshot, path), file_truth(truth, path));
    }
    if (report_.images % 2 != 0) return;  // nodes on every other image: they take two lookups each
    for (const std::string& node : questions_.nodes) {
      compare(snapshot, node, node_answer(snapshot, node), node_truth(truth, node));
    }
  }

  template <class Snapshot>
  void compare(const Snapshot& snapshot, const std::string& key, const std::string& answer, const std::string& truth) {
    ++report_.answers;
    if (answer == kGoneAnswer) return look_again(snapshot.generation(), key, truth);
    if (answer != truth) complain(snapshot.generation(), key, answer, truth);
  }

  // Through the newest root, at the same generation.
  void look_again(Generation generation, const std::string& key, const std::string& truth) {
    ++report_.looked_again;
    const std::uint32_t named = replay_.named_root();
    if (named == kNoImage) return;
    const ReplaySnapshot snapshot(replay_.memory(named, fresh_), generation);
    if (!snapshot.kept()) {
      ++report_.lost;
      return;
    }
    const bool is_file = key.find(".py") != std::string::npos;
    const std::string answer = is_file ? verified_answer(snapshot, key) : node_answer(snapshot, key);
    if (answer != truth) complain(generation, key, "looked again: " + answer, truth);
  }

  // An agent finds what the killed one left, serves it, and goes on with it.
  void succeed() {
    if (replay_.named_root() == kNoImage || report_.violations.size() >= kMaxViolations) return;
    ++report_.successions;
    Heir heir(replay_, writer_.options());
    if (const std::string why = heir.take_over(); !why.empty()) return violation("a successor: " + why);
    const auto taken_over = heir.attach();
    const Snapshot newest = taken_over->snapshot();
    ask(newest);
    const std::string change = "of the successor";
    const Put put = heir.writer().put_source(questions_.paths.front(), change, "h");
    const auto committed = heir.writer().commit();
    while (heir.writer().tend()) continue;
    const bool starved = heir.writer().starved() || heir.writer().incomplete();
    if (starved) ++report_.starved;
    if (!committed) return violation("a successor cannot commit: " + committed.error().message);
    const auto now = heir.attach();
    const Snapshot later = now->snapshot();
    const std::string& changed = put == Put::kNoRoom ? kNotMirroredAnswer : change;
    const std::string shown = verified_answer(later, questions_.paths.front());
    if (shown != changed && !starved) complain(later.generation(), "a successor's change", shown, changed);
    ask_kept(*now, newest.generation(), "of a successor: ");
    // Killed in its turn, with something staged: what it had adopted is adopted once more.
    static_cast<void>(heir.writer().put_source(questions_.paths.front(), "never published", "h"));
    if (const std::string why = heir.take_over(); !why.empty()) return violation("a second successor: " + why);
    static_cast<void>(heir.writer().put_source(questions_.paths.front(), "of the second", "h"));
    const auto again = heir.writer().commit();
    while (heir.writer().tend()) continue;
    if (!again) return violation("a second successor cannot commit: " + again.error().message);
    ask_kept(*heir.attach(), newest.generation(), "of a second successor: ");
  }

  // What readers are pinned to, as far as `segment` keeps it.
  void ask_kept(const Segment& segment, Generation newest, const std::string& whose) {
    for (const Pin& pin : watched()) {
      const Snapshot pinned = segment.snapshot_at(pin.generation);
      if (!pinned.kept() || pin.generation > newest) continue;
      for (const std::string& path : questions_.paths) {
        const std::string truth = file_truth(writer_.truth(pin.generation), path);
        const std::string answer = verified_answer(pinned, path);
        if (answer != truth) complain(pin.generation, path, whose + answer, truth);
      }
    }
  }

  void complain(Generation generation, const std::string& key, const std::string& answer, const std::string& truth) {
    violation("generation " + std::to_string(generation.value) + " " + key + ": `" + answer.substr(0, 60) +
              "` instead of `" + truth.substr(0, 40) + "`");
  }
  void violation(const std::string& text) {
    if (report_.violations.size() >= kMaxViolations) return;
    report_.violations.push_back(std::string(what_) + " after " + std::to_string(replay_.done()) + " stores: " + text);
  }

  const RecordedWriter& writer_;
  const std::vector<Store>& stores_;
  const Questions& questions_;
  Replay replay_;
  const Replay::Chunks fresh_{&replay_, false};
  const Replay::Chunks old_{&replay_, true};
  CrashReport report_;
  const char* what_ = "";
};

// Loads from files while their writer goes on: each load sees the stores up to a time that never falls.
struct MovingClock {
  const store_log::StoreIndex* index = nullptr;
  std::mt19937_64* random = nullptr;
  std::uint64_t now = 0;  // stores made
  std::uint64_t end = 0;
  std::uint64_t stride = 1;

  std::uint64_t tick() { return now = std::min(now + (*random)() % stride, end); }
};

class MovingWords {
 public:
  using Word = layout::Word;

  MovingWords(MovingClock* clock, std::uint32_t image) : clock_(clock), image_(image) {}

  Word acquire(std::uint64_t offset) const { return relaxed(offset); }
  Word relaxed(std::uint64_t offset) const { return clock_->index->value_after(image_, offset, clock_->tick()); }
  void fence_acquire() const {}
  void copy_out(std::uint64_t offset, void* to, std::uint64_t bytes) const { copy_words(*this, offset, to, bytes); }

 private:
  MovingClock* clock_;
  std::uint32_t image_;
};

// A process that maps chunks when it first needs them.
class SlowReader {
 public:
  using Memory = MemoryOver<MovingWords, SlowReader>;

  SlowReader(MovingClock& clock, const store_log::NameIndex& names, const std::vector<store_log::Image>& images)
      : clock_(clock), names_(names), images_(images) {}

  const Memory::Chunk* chunk(ChunkNumber number) const {
    const auto* life = names_.chunk(number);
    const auto mapped = mapped_.find(number.value);
    if (mapped != mapped_.end()) return &mapped->second;
    if (life == nullptr || !life->has_name_at(clock_.tick())) return nullptr;
    const Memory::Chunk chunk{MovingWords(&clock_, life->image), images_[life->image].bytes};
    return &mapped_.emplace(number.value, chunk).first->second;
  }
  BasicSnapshot<Memory> snapshot(std::uint32_t root, Generation generation) const {
    const auto header = [&](std::uint64_t offset) { return clock_.index->value_after(root, offset, clock_.now); };
    return {Memory(MovingWords(&clock_, root), {header(layout::header::kSlotCount)},
                   {header(layout::header::kChunkBase)}, this),
            generation};
  }

 private:
  MovingClock& clock_;
  const store_log::NameIndex& names_;
  const std::vector<store_log::Image>& images_;
  mutable std::map<std::uint64_t, Memory::Chunk> mapped_;
};

}  // namespace

CrashReport check_every_crash(const RecordedWriter& writer, const std::vector<Store>& stores, std::size_t begin,
                              const Questions& questions, const Effort& effort) {
  return CrashCheck(writer, stores, questions).run(begin, effort);
}

CrashReport check_slow_readers(const RecordedWriter& writer, std::size_t begin, const Questions& questions,
                               unsigned readers) {
  CrashReport report;
  const store_log::StoreLog& log = writer.log();
  const store_log::StoreIndex index(log.stores());
  const store_log::NameIndex names(log.stores(), log.images());
  std::mt19937_64 random(20260102);
  for (unsigned r = 0; r < readers && report.violations.size() < kMaxViolations; ++r) {
    ++report.images;
    const Pin& pin = writer.pins()[random() % writer.pins().size()];
    MovingClock clock{&index, &random, std::max<std::uint64_t>(pin.position, begin), log.size(), 1};
    clock.now += random() % (log.size() - clock.now + 1) / (1 + random() % 64);  // mostly soon after it has pinned
    clock.stride = std::uint64_t{1} << random() % 8;
    const SlowReader reader(clock, names, log.images());
    const std::string& path = questions.paths[random() % questions.paths.size()];
    const std::string truth = file_truth(writer.truth(pin.generation), path);
    auto snapshot = reader.snapshot(pin.root, pin.generation);
    std::string answer;
    // Every further look is due to another chunk that went meanwhile.
    for (std::size_t looks = 0; looks <= writer.chunks_given_back(); ++looks) {
      answer = verified_answer(snapshot, path);
      if (answer != kGoneAnswer) break;
      ++report.looked_again;
      std::uint32_t root = names.root_at(clock.now);
      while (root == kNoImage && clock.now < clock.end) root = names.root_at(++clock.now);  // until there is one again
      if (root != kNoImage) snapshot = reader.snapshot(root, pin.generation);
      if (!snapshot.kept()) break;
    }
    ++report.answers;
    if (answer == kGoneAnswer && !snapshot.kept()) {
      ++report.lost;
    } else if (answer != truth) {
      report.violations.push_back("generation " + std::to_string(pin.generation.value) + " " + path + ": `" +
                                  answer.substr(0, 40) + "` instead of `" + truth.substr(0, 40) + "`");
    }
  }
  return report;
}

}  // namespace bifrost::crash
