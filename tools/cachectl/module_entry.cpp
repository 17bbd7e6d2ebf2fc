#include "tools/cachectl/module_entry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "tools/cachectl/commit_log.hpp"
#include "tools/cachectl/output.hpp"
#include "tools/cachectl/segment_access.hpp"
#include "tools/cachectl/text.hpp"

namespace bifrost::cachectl {

using layout::RecordKind;

std::string_view ModuleEntry::kind() const {
  if (!mirrored) return "not_mirrored";
  return is_package_path(path) ? "package" : "module";
}

nlohmann::ordered_json ModuleEntry::json() const {
  nlohmann::ordered_json object = {
      {"path", path}, {"name", import_name(path)}, {"kind", kind()}, {"bytes", bytes},
      {"hash", hash}, {"generation", created},     {"code", code},   {"retained", retained}};
  if (!mirrored) object["reason"] = reason;
  for (const CompileFailure& f : failures) {
    object["not_compiled"].push_back({{"tag", f.tag}, {"line", f.line}, {"message", f.message}});
  }
  return object;
}

namespace {

Lookup read_code_tags(const Snapshot& snapshot, const RecordRef& record, std::vector<std::string>& tags) {
  tags.clear();
  VariantRef variant;
  for (std::uint64_t step = 0; step < layout::kMaxVariants; ++step) {
    const Lookup status = snapshot.next_variant(record, variant);
    // Code may be given up, or moved with a newer version, before the version that it was made of.
    if (status == Lookup::kMiss || status == Lookup::kGone) break;
    if (status != Lookup::kHit) return status;
    tags.push_back(variant.tag.name());
  }
  return Lookup::kHit;
}

}  // namespace

Lookup read_entry(const Snapshot& snapshot, const RecordRef& record, ModuleEntry& entry) {
  entry.mirrored = record.shape.kind == RecordKind::kSource;
  entry.retained = record.has(layout::Mark::kRetained);
  entry.created = record.created.value;
  entry.bytes = entry.mirrored ? record.content_bytes : 0;
  if (const Lookup copied = snapshot.copy_key(record, entry.path); copied != Lookup::kHit) return copied;
  if (const Lookup copied = snapshot.copy_token(record, entry.hash); copied != Lookup::kHit) return copied;
  entry.reason.clear();
  if (entry.mirrored) return read_code_tags(snapshot, record, entry.code);
  constexpr std::uint64_t kMaxReasonBytes = 4096;
  if (record.content_bytes > kMaxReasonBytes) return Lookup::kDamaged;
  return snapshot.copy_content(record, entry.reason);
}

namespace {

// kHit: `entry` is the module in that slot. kMiss: there is none.
Lookup read_slot(const Snapshot& snapshot, SlotNumber slot, ModuleEntry& entry) {
  const Found found = snapshot.at_slot(slot);
  if (found.status != Lookup::kHit) return found.status;
  const layout::Shape& shape = found.record.shape;
  if (shape.space != layout::KeySpace::kFile || shape.kind == RecordKind::kAbsent) return Lookup::kMiss;
  return read_entry(snapshot, found.record, entry);
}

}  // namespace

Result<ModuleList> list_modules(const Segment& segment, std::string_view prefix) {
  ModuleList list;
  const auto walk = [&](const Segment& now, const Snapshot& snapshot) {
    list = {snapshot.generation(), {}, 0};
    for (SlotNumber slot{0}; slot.value < snapshot.slot_count(); ++slot.value) {
      ModuleEntry entry;
      const auto read = [&](const Snapshot& s) { return read_slot(s, slot, entry); };
      switch (settled(now, snapshot, read)) {
        case Lookup::kGone: return Lookup::kGone;
        case Lookup::kMiss: break;
        case Lookup::kHit:
          if (entry.path.starts_with(prefix)) list.entries.push_back(std::move(entry));
          break;
        default: ++list.damaged;
      }
    }
    return Lookup::kHit;
  };
  if (const auto walked = read_consistently(segment, walk); !walked) return walked.error();
  std::sort(list.entries.begin(), list.entries.end(),
            [](const ModuleEntry& a, const ModuleEntry& b) { return a.path < b.path; });
  return list;
}

namespace {

Lookup read_answer(const Snapshot& snapshot, ModulePathView path, With with, ModuleAnswer& answer) {
  answer = {};
  answer.generation = snapshot.generation();
  const Found found = snapshot.find_file(path.text());
  if (found.status != Lookup::kHit && found.status != Lookup::kNotMirrored) return found.status;
  if (const Lookup read = read_entry(snapshot, found.record, answer.entry); read != Lookup::kHit) return read;
  if (with == With::kTime) answer.visible_unix_ms = unix_ms_of(snapshot, found.record.created);
  if (found.status == Lookup::kNotMirrored || with != With::kSource) return found.status;
  std::string body;
  const Lookup verified = snapshot.verify(found.record, body);
  if (verified == Lookup::kHit) answer.source = Snapshot::content_in(found.record, body);
  return verified;
}

}  // namespace

Result<ModuleAnswer> find_module(const Segment& segment, ModulePathView path, With with, std::optional<Generation> at) {
  ModuleAnswer answer;
  const auto read = [&](const Segment& now, const Snapshot& snapshot) {
    const Lookup found = settled(now, snapshot, [&](const Snapshot& s) { return read_answer(s, path, with, answer); });
    answer.complete = now.complete(answer.generation);
    return found;
  };
  const auto status = read_consistently(segment, read, at);
  if (!status) return status.error();
  answer.status = *status;
  return answer;
}

void add_compile_failures(const std::string& segment_dir, std::vector<ModuleEntry>& entries) {
  constexpr std::chrono::milliseconds kAnswerTime(500);
  if (entries.empty()) return;
  auto failures = ask_not_compiled(segment_dir, Deadline(kAnswerTime));
  if (!failures) return;
  for (CompileFailure& failure : *failures) {
    const auto at = std::lower_bound(entries.begin(), entries.end(), failure.path,
                                     [](const ModuleEntry& e, const std::string& path) { return e.path < path; });
    if (at != entries.end() && at->path == failure.path) at->failures.push_back(std::move(failure));
  }
}

void say_no_module_path(std::string_view text, PathFault why) {
  std::string as_path(text);
  std::replace(as_path.begin(), as_path.end(), '.', '/');
  const bool is_import_name = why == PathFault::kNotPython && ModuleNode::parse(as_path);
  say(fmt::format("no module can have the path {}: {}{}", text, reason_text(why),
                  is_import_name ? fmt::format("; try {}.py or {}/__init__.py", as_path, as_path) : std::string()));
}

void say_damaged(ModulePathView path) {
  say(fmt::format("the record of {} is damaged: run bifrost-cachectl verify, then restart bifrost-agent", path.text()));
}

}  // namespace bifrost::cachectl
