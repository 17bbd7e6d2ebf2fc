// scenarios.hpp - what readers do in the model, and what must hold of every one of their executions.
//
// Templates over the protocol: bifrost's own, or a mutant of it that lacks one check.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "explorer.hpp"
#include "reader_answers.hpp"
#include "scripts.hpp"

namespace bifrost::model {

using store_log::file_answer;
using store_log::file_truth;
using store_log::node_answer;
using store_log::node_truth;
using store_log::verified_answer;

struct Verdict {
  std::uint64_t runs = 0;      // executions tried
  std::uint64_t answered = 0;  // that ended in something else than "lost"
  std::uint64_t lost = 0;
  bool exhausted = true;
  std::string violation;

  bool holds() const { return exhausted && violation.empty(); }
};

inline constexpr std::uint64_t kMaxRuns = 20'000'000;

// `run` is called with the reader of each execution; it returns a violation, kLostAnswer, or nothing.
inline Verdict explore(const History& history, std::size_t begin, const std::function<std::string(Reader&)>& run) {
  Verdict verdict;
  Choices choices;
  do {
    if (++verdict.runs > kMaxRuns) {
      verdict.exhausted = false;
      break;
    }
    Reader reader(history, choices, static_cast<std::uint32_t>(begin));
    std::string outcome;
    try {
      outcome = run(reader);
    } catch (const std::exception& e) {  // a mutant's: too many loads, or lengths that cannot be
      outcome = e.what();
    }
    if (outcome.empty()) {
      ++verdict.answered;
    } else if (outcome == store_log::kLostAnswer) {
      ++verdict.lost;
    } else {
      verdict.violation = outcome;
      break;
    }
  } while (choices.next());
  return verdict;
}

template <class Protocol>
class Scenarios {
 public:
  using Snapshot = typename Protocol::template Snapshot<ModelWords>;
  using Control = typename Protocol::template Control<ModelWords>;

  // `history`: of the script, or a forgery of it.
  Scenarios(const Script& script, const History& history, const Weakened& weakened)
      : script_(script), history_(history), weakened_(weakened), image_(script.writer->pins().front().image) {}

  // A reader takes the newest snapshot and looks up one path.
  Verdict finds_a_file(const std::string& path) const {
    return explore(history_, script_.begin, [&](Reader& reader) {
      const Snapshot snapshot = newest(reader);
      return judge(snapshot, path, file_answer(snapshot, path));
    });
  }
  // With the checksum over the whole record: what is found is whole.
  Verdict verifies_a_file(const std::string& path) const {
    return explore(history_, script_.begin, [&](Reader& reader) {
      const Snapshot snapshot = newest(reader);
      return judge(snapshot, path, verified_answer(snapshot, path));
    });
  }
  // As the loader does it.
  Verdict loads_a_file(const std::string& path) const {
    return explore(history_, script_.begin, [&](Reader& reader) {
      const Snapshot snapshot = newest(reader);
      return judge(snapshot, path, store_log::loaded_answer(snapshot, path));
    });
  }
  // Code is that of the source of this generation, or there is none yet; "none" counts as lost, so that some
  // execution has to find it.
  Verdict finds_code(const std::string& path) const {
    return explore(history_, script_.begin, [&](Reader& reader) {
      const Snapshot snapshot = newest(reader);
      return judge_code(snapshot, path);
    });
  }
  // Code that was attached before this reader came is found, or the snapshot is lost: never overlooked.
  Verdict overlooks_no_code(const std::string& path) const {
    const Generation pinned = pinned_at_begin();
    const auto position = static_cast<std::uint32_t>(attached_position());
    return explore(history_, position, [&](Reader& reader) -> std::string {
      const Snapshot snapshot(words(reader), regions(), pinned);
      const std::string answer = store_log::code_answer<typename Protocol::Variant>(snapshot, path);
      return answer == store_log::kMissAnswer ? complaint(snapshot, path, answer, "code") : "";
    });
  }
  // Two readers with one snapshot: the second has it from the first, as a forked child has.
  Verdict two_readers_share_a_snapshot(const std::string& first, const std::string& second) const {
    return explore(history_, script_.begin, [&](Reader& reader) {
      const Snapshot snapshot = newest(reader);
      const std::string outcome = judge(snapshot, first, file_answer(snapshot, first));
      if (!outcome.empty()) return outcome;
      Reader heir(history_, reader.choices(), reader.floor());
      const Snapshot inherited(words(heir), regions(), snapshot.generation());
      return judge(inherited, second, file_answer(inherited, second));
    });
  }
  // Every execution that has pinned what was published when the script began.
  Verdict stays_pinned(const std::string& path) const {
    const Generation pinned = pinned_at_begin();
    return explore(history_, script_.begin, [&](Reader& reader) {
      const Snapshot snapshot(words(reader), regions(), pinned);
      return judge(snapshot, path, file_answer(snapshot, path));
    });
  }
  Verdict finds_a_node(const std::string& name) const {
    return explore(history_, script_.begin, [&](Reader& reader) {
      const Snapshot snapshot = newest(reader);
      return judge_node(snapshot, name);
    });
  }
  // Who sees `retired` finds the successor under the name.
  Verdict retired_leads_to_the_successor() const {
    return explore(history_, script_.begin, [&](Reader& reader) -> std::string {
      if (!control(reader).retired()) return {};
      const std::uint32_t named = history_.stores()[reader.floor() - 1].named;
      return named == image_ ? "retired, but the name still leads here" : "";
    });
  }
  // Who sees a time of synchronisation and then takes a snapshot sees the writes of that time.
  Verdict synced_through_is_in_the_snapshot() const {
    return explore(history_, script_.begin, [&](Reader& reader) -> std::string {
      const std::uint64_t through = control(reader).synced_through().ns;
      const Snapshot snapshot = newest(reader);
      return snapshot.generation().value * kSyncStep < through ? "the snapshot is older than synced_through" : "";
    });
  }
  // Who finds the lease valid also finds the time that it is based on.
  Verdict lease_rests_on_a_time() const {
    return explore(history_, script_.begin, [&](Reader& reader) -> std::string {
      std::uint64_t until = 0;
      while (until < 4 * kSyncStep && control(reader).lease_valid({until})) until += kLease;
      const std::uint64_t through = control(reader).synced_through().ns;
      return until > through + kLease ? "the lease is longer than its time allows" : "";
    });
  }
  // Who sees `complete` and then takes a snapshot sees what made it true.
  Verdict complete_is_in_the_snapshot() const {
    return explore(history_, script_.begin, [&](Reader& reader) -> std::string {
      if (!control(reader).complete()) return {};
      const Snapshot snapshot = newest(reader);
      return snapshot.generation() <= pinned_at_begin() ? "complete, but not what made it so" : "";
    });
  }

 private:
  layout::Regions regions() const { return layout::compute_regions(script_.writer->log().image_bytes()[image_]); }
  ModelWords words(Reader& reader) const { return ModelWords(&reader, image_, regions().heap_offset, &weakened_); }
  Control control(Reader& reader) const { return Control(words(reader)); }
  Snapshot newest(Reader& reader) const { return Snapshot::newest(words(reader), regions()); }

  Generation pinned_at_begin() const {
    Generation pinned;
    for (const store_log::Pin& pin : script_.writer->pins()) {
      if (pin.position <= script_.begin) pinned = pin.generation;
    }
    return pinned;
  }

  // Just behind the first attached variant: a release store into the heap.
  std::size_t attached_position() const {
    const auto& stores = history_.stores();
    for (std::size_t i = script_.begin; i < stores.size(); ++i) {
      const bool in_heap = stores[i].offset >= regions().heap_offset && stores[i].image == image_;
      if (in_heap && stores[i].order == StoreOrder::kRelease) return i + 1;
    }
    return script_.begin;
  }

  std::string judge(const Snapshot& snapshot, const std::string& path, const std::string& answer) const {
    if (answer == store_log::kLostAnswer) return answer;
    if (!script_.writer->knows(snapshot.generation())) return "a generation that was never published";
    const std::string truth = file_truth(script_.writer->truth(snapshot.generation()), path);
    return answer == truth ? "" : complaint(snapshot, path, answer, truth);
  }
  std::string judge_node(const Snapshot& snapshot, const std::string& name) const {
    const auto found = snapshot.find_node(name);
    using Lookup = std::decay_t<decltype(found.status)>;
    if (found.status == Lookup::kSnapshotLost) return store_log::kLostAnswer;
    if (!script_.writer->knows(snapshot.generation())) return "a generation that was never published";
    const std::string truth = node_truth(script_.writer->truth(snapshot.generation()), name);
    if (found.status != Lookup::kHit) {
      const std::string answer = store_log::name_of(found.status);
      return answer == truth ? "" : complaint(snapshot, name, answer, truth);
    }
    // What was found must be right even before its content is copied: callers decide on it.
    if (found.file.shape.kind == layout::RecordKind::kNotMirrored) {
      return truth.find(store_log::kNotMirroredAnswer) != std::string::npos
                 ? ""
                 : complaint(snapshot, name, "not mirrored", truth);
    }
    const auto colon = truth.find(':');
    const bool package = found.node.shape.kind == layout::RecordKind::kPackage;
    if (colon == std::string::npos || package != (truth[0] == 'p') ||
        found.file.content_bytes != truth.size() - colon - 1) {
      return complaint(snapshot, name, "a node or file of another version", truth);
    }
    const std::string answer = node_answer(snapshot, name);
    if (answer == store_log::kLostAnswer) return answer;
    return answer == truth ? "" : complaint(snapshot, name, answer, truth);
  }
  std::string judge_code(const Snapshot& snapshot, const std::string& path) const {
    const auto found = snapshot.find_file(path);
    using Lookup = std::decay_t<decltype(found.status)>;
    if (found.status == Lookup::kSnapshotLost || found.status == Lookup::kMiss) return store_log::kLostAnswer;
    if (!script_.writer->knows(snapshot.generation())) return "a generation that was never published";
    const std::string truth = store_log::code_of(file_truth(script_.writer->truth(snapshot.generation()), path));
    typename Protocol::Variant variant;
    const Lookup status = found.status == Lookup::kHit
                              ? snapshot.find_variant(found.record, path, store_log::kTag, variant)
                              : found.status;
    if (status == Lookup::kSnapshotLost || status == Lookup::kMiss) return store_log::kLostAnswer;
    // As with nodes: callers make room for so much code before they read it.
    if (status == Lookup::kHit && variant.code_bytes != truth.size()) {
      return complaint(snapshot, path, std::to_string(variant.code_bytes) + " bytes of code", truth);
    }
    const std::string answer =
        status == Lookup::kHit ? store_log::code_of(snapshot, variant) : store_log::name_of(status);
    if (answer == store_log::kLostAnswer) return answer;
    return answer == truth ? "" : complaint(snapshot, path, answer, truth);
  }
  static std::string complaint(const Snapshot& snapshot, const std::string& key, const std::string& answer,
                               const std::string& truth) {
    return "generation " + std::to_string(snapshot.generation().value) + ", " + key + ": `" + answer +
           "` instead of `" + truth + "`";
  }

  const Script& script_;
  const History& history_;
  const Weakened& weakened_;
  std::uint32_t image_;
};

}  // namespace bifrost::model
