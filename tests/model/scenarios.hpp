// scenarios.hpp - what readers do in the model, and what must hold of every one of their executions.
//
// A reader gets the truth of its generation. Or it meets memory that was given back: then it looks again, at once,
// through the newest root, and gets the truth there, unless its generation is not kept any more.
// Templates over the protocol: bifrost's own, or a mutant of it that lacks one check.
#pragma once

#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "process.hpp"
#include "reader_answers.hpp"
#include "scripts.hpp"

namespace bifrost::model {

using store_log::file_answer;
using store_log::file_truth;
using store_log::kGoneAnswer;
using store_log::kMissAnswer;
using store_log::node_answer;
using store_log::node_truth;

inline const std::string kLostOutcome = "<lost>";

struct Verdict {
  std::uint64_t runs = 0;          // executions tried
  std::uint64_t answered = 0;      // that ended in the truth
  std::uint64_t looked_again = 0;  // looks at memory that was gone
  std::uint64_t lost = 0;          // executions whose generation was not kept
  bool exhausted = true;
  std::string violation;
};

inline constexpr std::uint64_t kMaxRuns = 20'000'000;

template <class Protocol>
class Scenarios {
 public:
  using Snapshot = typename Protocol::template Snapshot<Process::Memory>;
  using Control = typename Protocol::template Control<ModelWords>;
  using Variant = typename Protocol::Variant;
  // The answer to a question, kGoneAnswer, or a violation: anything that is not the truth.
  using Ask = std::function<std::string(const Snapshot&)>;

  // `history`: of the script, or a forgery of it.
  Scenarios(const Script& script, const History& history, const Weakened& weakened)
      : script_(script), history_(history), weakened_(weakened), root_(history.names().root_at(script.begin)) {}

  // A reader takes the newest snapshot and looks up one path.
  Verdict finds_a_file(const std::string& path) const {
    return newest(path, [path](const Snapshot& s) { return file_answer(s, path); });
  }
  // With the checksum over the whole record: what is found is whole.
  Verdict verifies_a_file(const std::string& path) const {
    return newest(path, [path](const Snapshot& s) { return store_log::verified_answer(s, path); });
  }
  // As the loader does it.
  Verdict loads_a_file(const std::string& path) const {
    return newest(path, [path](const Snapshot& s) { return store_log::loaded_answer(s, path); });
  }
  // As those do that walk over the table.
  Verdict walks_to_a_file(const std::string& path) const {
    return newest(path, [path](const Snapshot& s) { return walked_answer(s, path); });
  }
  // An execution that has pinned the first generation, or what was published when the script began.
  Verdict stays_pinned(const std::string& path, bool to_first) const {
    const Generation pinned = to_first ? script_.writer->pins().front().generation : pinned_at_begin();
    return explore([&](Reader& reader) {
      const Process process(reader, history_, weakened_);
      return look(process, Snapshot(process.memory(root_), pinned), file_truth_of(path),
                  [&](const Snapshot& s) { return file_answer(s, path); });
    });
  }
  // The second has the snapshot from the first, as a forked child has.
  Verdict two_readers_share_a_snapshot(const std::string& first, const std::string& second) const {
    return explore([&](Reader& reader) {
      const Process process(reader, history_, weakened_);
      const Snapshot snapshot = Snapshot::newest(process.memory(root_));
      const std::string outcome =
          look(process, snapshot, file_truth_of(first), [&](const Snapshot& s) { return file_answer(s, first); });
      if (!outcome.empty()) return outcome;
      Reader heir(history_, reader.choices(), reader.floor());
      const Process child(heir, history_, weakened_);
      return look(child, Snapshot(child.memory(root_), snapshot.generation()), file_truth_of(second),
                  [&](const Snapshot& s) { return file_answer(s, second); });
    });
  }
  Verdict finds_a_node(const std::string& name) const {
    return explore([&](Reader& reader) {
      const Process process(reader, history_, weakened_);
      return look(
          process, Snapshot::newest(process.memory(root_)),
          [&](Generation g) { return node_truth(script_.writer->truth(g), name); },
          [&](const Snapshot& s) { return checked_node(s, name); });
    });
  }
  // Code is that of the source of this generation. "None" and "gone" end in compiling: they count as lost, so that
  // some execution has to find it.
  Verdict finds_code(const std::string& path) const {
    return explore([&](Reader& reader) -> std::string {
      const Process process(reader, history_, weakened_);
      const Snapshot snapshot = Snapshot::newest(process.memory(root_));
      const std::string truth = store_log::code_of(file_truth_of(path)(snapshot.generation()));
      const std::string answer = checked_code(snapshot, path, truth);
      if (answer == kMissAnswer || answer == kGoneAnswer) return kLostOutcome;
      return answer == truth ? "" : complaint(snapshot, answer, truth);
    });
  }
  // Code that was attached before this reader came is found, or its memory is gone: never overlooked.
  Verdict overlooks_no_code(const std::string& path) const {
    return explore([&](Reader& reader) -> std::string {
      reader.pass(attached_position());
      const Process process(reader, history_, weakened_);
      const Snapshot snapshot(process.memory(root_), pinned_at_begin());
      const std::string answer = store_log::code_answer<Variant>(snapshot, path);
      return answer == kMissAnswer ? complaint(snapshot, answer, "code") : "";
    });
  }
  // The newest commit's record is whole, and so is what it lists first.
  Verdict reads_the_log() const {
    return explore([&](Reader& reader) -> std::string {
      const Process process(reader, history_, weakened_);
      const Snapshot snapshot = Snapshot::newest(process.memory(root_));
      const Address at = snapshot.last_commit();
      if (at.value == 0) return kLostOutcome;
      std::string text;
      const std::string commit = record_answer(snapshot, at, &text);
      if (commit != "<hit>") return commit == kGoneAnswer ? kLostOutcome : "the commit: " + commit;
      std::uint64_t listed = 0;
      std::memcpy(&listed, text.data() + layout::commit::kHeaderBytes, sizeof listed);
      const std::string file = record_answer(snapshot, Address(listed), nullptr);
      return file == "<hit>" || file == kGoneAnswer ? "" : "what the commit lists: " + file;
    });
  }
  // Who sees `retired` finds the successor under the name.
  Verdict retired_leads_to_the_successor() const {
    return explore([&](Reader& reader) -> std::string {
      const Process process(reader, history_, weakened_);
      if (!Control(process.root(root_)).retired()) return {};
      return history_.names().root_at(reader.floor()) == root_ ? "retired, but the name still leads here" : "";
    });
  }
  // Who sees a time up to which everything is shown and then takes a snapshot sees the writes of that time.
  Verdict shown_through_is_in_the_snapshot() const {
    return explore([&](Reader& reader) -> std::string {
      const Process process(reader, history_, weakened_);
      const std::uint64_t through = Control(process.root(root_)).shown_through().ns;
      const Generation seen = Snapshot::newest(process.memory(root_)).generation();
      return seen.value * kSyncStep < through ? "the snapshot is older than shown_through" : "";
    });
  }
  // Who finds the lease valid also finds the time that it is based on.
  Verdict lease_rests_on_a_time() const {
    return explore([&](Reader& reader) -> std::string {
      const Process process(reader, history_, weakened_);
      const Control control(process.root(root_));
      constexpr std::chrono::milliseconds kLongest{1};  // longer than any of the script
      std::uint64_t until = 0;
      while (until < 6 * kSyncStep && control.lease_valid({until}, kLongest)) until += kLease;
      return until > control.synced_through().ns + kLease ? "the lease is longer than its time allows" : "";
    });
  }
  // Who is told that a snapshot is complete holds one that is.
  Verdict complete_is_true_of_the_snapshot() const {
    return explore([&](Reader& reader) -> std::string {
      const Process process(reader, history_, weakened_);
      const Generation seen = Snapshot::newest(process.memory(root_)).generation();
      if (!Control(process.root(root_)).complete(seen)) return {};
      if (seen <= pinned_at_begin()) return "complete, but of a time before any synchronisation";
      return seen == script_.lacks_names ? "complete, but names had no room" : "";
    });
  }

 private:
  // `run` is called with the reader of each execution; it returns a violation, kLostOutcome, or nothing.
  Verdict explore(const std::function<std::string(Reader&)>& run) const {
    Verdict verdict;
    looked_again_ = 0;
    Choices choices;
    do {
      if (++verdict.runs > kMaxRuns) {
        verdict.exhausted = false;
        break;
      }
      Reader reader(history_, choices, static_cast<std::uint32_t>(script_.begin));
      std::string outcome;
      try {
        outcome = run(reader);
      } catch (const std::exception& e) {  // a mutant's: too many loads, or lengths that cannot be
        outcome = e.what();
      }
      if (outcome.empty()) {
        ++verdict.answered;
      } else if (outcome == kLostOutcome) {
        ++verdict.lost;
      } else {
        verdict.violation = outcome;
        break;
      }
    } while (choices.next());
    verdict.looked_again = looked_again_;
    return verdict;
  }
  Verdict newest(const std::string& path, const Ask& ask) const {
    return explore([&](Reader& reader) {
      const Process process(reader, history_, weakened_);
      return look(process, Snapshot::newest(process.memory(process.find_root())), file_truth_of(path), ask);
    });
  }

  // Every further look is due to another chunk that went meanwhile.
  template <class TruthOf>
  std::string look(const Process& process, Snapshot snapshot, const TruthOf& truth_of, const Ask& ask) const {
    if (!script_.writer->knows(snapshot.generation())) return "a generation that was never published";
    const std::string truth = truth_of(snapshot.generation());
    for (std::size_t looks = 0; looks <= script_.writer->chunks_given_back(); ++looks) {
      const std::string answer = ask(snapshot);
      if (answer != kGoneAnswer) return answer == truth ? "" : complaint(snapshot, answer, truth);
      ++looked_again_;
      snapshot = Snapshot(process.memory(process.find_root()), snapshot.generation());
      if (!snapshot.kept()) return kLostOutcome;
    }
    return complaint(snapshot, "gone, however often it looks", truth);
  }

  auto file_truth_of(const std::string& path) const {
    return [this, path](Generation g) { return file_truth(script_.writer->truth(g), path); };
  }
  Generation pinned_at_begin() const {
    Generation pinned;
    for (const store_log::Pin& pin : script_.writer->pins()) {
      if (pin.position <= script_.begin) pinned = pin.generation;
    }
    return pinned;
  }
  // Just behind the first attached variant, or where the script begins.
  std::uint64_t attached_position() const {
    const auto& stores = history_.stores();
    for (std::uint64_t i = 0; i < stores.size(); ++i) {
      const bool in_chunk = !history_.images()[stores[i].image].is_root();
      if (in_chunk && stores[i].order == Order::kRelease && stores[i].offset >= layout::chunk::kHeaderBytes) {
        return std::max<std::uint64_t>(i + 1, script_.begin);
      }
    }
    throw std::runtime_error("no code is attached");
  }

  // The slots in which the key can be, one by one, whatever else is in them.
  static std::string walked_answer(const Snapshot& snapshot, const std::string& path) {
    SlotNumber slot = layout::hash_key(layout::KeySpace::kFile, path).first_slot(snapshot.slot_count());
    std::string body;
    for (int n = 0; n < 3; ++n, slot.value = (slot.value + 1) % snapshot.slot_count()) {
      const auto found = snapshot.at_slot(slot);
      using Lookup = std::decay_t<decltype(found.status)>;
      if (found.status == Lookup::kMiss) continue;
      // Callers go by the header before they verify, if they do.
      if (found.status == Lookup::kHit && found.record.created.value == 0) return "a record that nobody has written";
      const Lookup whole = found.status == Lookup::kHit ? snapshot.verify(found.record, body) : found.status;
      if (whole != Lookup::kHit) return store_log::name_of(whole);
      const bool file = found.record.shape.space == layout::KeySpace::kFile;
      if (!file || Snapshot::key_in(found.record, body) != path) continue;
      if (found.record.shape.kind == layout::RecordKind::kAbsent) return kMissAnswer;
      if (found.record.shape.kind == layout::RecordKind::kNotMirrored) return store_log::kNotMirroredAnswer;
      return std::string(Snapshot::content_in(found.record, body));
    }
    return kMissAnswer;
  }
  // What was found must be right even before its content is copied: callers decide on it.
  std::string checked_node(const Snapshot& snapshot, const std::string& name) const {
    const auto found = snapshot.find_node(name);
    using Lookup = std::decay_t<decltype(found.status)>;
    if (found.status != Lookup::kHit) return store_log::name_of(found.status);
    const std::string truth = node_truth(script_.writer->truth(snapshot.generation()), name);
    const bool package = found.node.shape.kind == layout::RecordKind::kPackage;
    const bool space = found.node.shape.kind == layout::RecordKind::kNamespace;
    const auto colon = truth.find(':');
    if (space != (truth == "namespace") || package != (truth[0] == 'p')) return "a node of another version";
    if (!space && (colon == std::string::npos || found.file.content_bytes != truth.size() - colon - 1)) {
      return "a file of another version";
    }
    return node_answer(snapshot, name);
  }
  // As with nodes: callers make room for so much code before they read it.
  std::string checked_code(const Snapshot& snapshot, const std::string& path, const std::string& truth) const {
    const auto found = snapshot.find_file(path);
    using Lookup = std::decay_t<decltype(found.status)>;
    if (found.status != Lookup::kHit) return store_log::name_of(found.status);
    Variant variant;
    const Lookup status = snapshot.find_variant(found.record, path, store_log::kTag, variant);
    if (status != Lookup::kHit) return store_log::name_of(status);
    if (variant.code_bytes != truth.size()) return std::to_string(variant.code_bytes) + " bytes of code";
    return store_log::code_of(snapshot, variant);
  }
  // With the content, or only what can be relied on without it.
  static std::string record_answer(const Snapshot& snapshot, Address at, std::string* content) {
    const auto found = snapshot.at_address(at);
    using Lookup = std::decay_t<decltype(found.status)>;
    if (found.status != Lookup::kHit) return store_log::name_of(found.status);
    std::string body;
    if (content == nullptr) return store_log::name_of(snapshot.verify_head(found.record, body));
    const Lookup whole = snapshot.verify(found.record, body);
    if (whole == Lookup::kHit) *content = Snapshot::content_in(found.record, body);
    return store_log::name_of(whole);
  }
  static std::string complaint(const Snapshot& snapshot, const std::string& answer, const std::string& truth) {
    return "generation " + std::to_string(snapshot.generation().value) + ": `" + answer.substr(0, 40) +
           "` instead of `" + truth.substr(0, 40) + "`";
  }

  const Script& script_;
  const History& history_;
  const Weakened& weakened_;
  std::uint32_t root_;
  mutable std::uint64_t looked_again_ = 0;
};

}  // namespace bifrost::model
