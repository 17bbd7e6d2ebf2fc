#include "common/writer/segment_writer.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <random>

namespace bifrost {
namespace {

using layout::KeySpace;
using layout::RecordKind;

// By ChunkStore::Full.
constexpr std::array<std::string_view, 3> kNoRoomReasons = {
    "the segment is full (raise --max-size)", "the file system has no room for a larger segment (enlarge it)",
    "the agent can make no more files (look at its limits, ulimit -n and -v, and at the directory's rights)"};

StoreId new_store_id() {
  std::random_device random;
  const auto word = [&random] { return std::uint64_t{random()} << 32 | random(); };
  return {word(), word()};
}

void append_word(std::string& text, layout::Word word) {
  text.append(reinterpret_cast<const char*>(&word), sizeof word);
}

}  // namespace

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::create(const StoreOptions& options, Generation after) {
  return open(options, new_store_id(), after);
}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::succeed(const StoreOptions& options, StoreId store,
                                                              Generation newest) {
  auto writer = open(options, store, newest);
  if (!writer) return writer;
  if (const Status s = (*writer)->store_->take_over_root(); !s) return s.error();
  return writer;
}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::open(const StoreOptions& options, StoreId id,
                                                           Generation generation) {
  std::unique_ptr<SegmentWriter> writer(new SegmentWriter(options));
  RecordStore::Hears hears;
  hears.code_counted = [w = writer.get()](const CodeTag& tag, bool more) {
    if (CodeShare* share = w->share_of(tag)) share->modules += more ? 1 : std::uint64_t(-1);
  };
  hears.code_dropped = [w = writer.get()] { w->count(Counter::kCodeDropped); };
  hears.history_given_up = [w = writer.get()](bool before_its_time) {
    if (before_its_time) w->count(Counter::kHistoryGivenUp);
  };
  hears.root_replaced = [w = writer.get()] { w->count(Counter::kRoots); };
  auto store = RecordStore::create(options, id, std::move(hears));
  if (!store) return store.error();
  writer->store_ = std::move(*store);
  writer->generation_ = generation;
  return writer;
}

bool SegmentWriter::adopt(Address at, bool with_code) {
  if (!store_->adopt_record(at, with_code)) return false;
  const RecordView record = store_->record_at(at);
  count(record, 1);
  // What an import name says follows from the files that were adopted, perhaps not all.
  if (record.head.shape.space == KeySpace::kNode) nodes_.touch_again(record.key);
  if (record.head.shape.space != KeySpace::kFile || record.head.shape.kind == RecordKind::kAbsent) return true;
  nodes_.add_file(record.key);
  return true;
}

void SegmentWriter::adopted(Taken taken) {
  adopts_names_ = taken == Taken::kComplete;
  if (taken == Taken::kLess) generation_ = next();
  store_->adopted(generation_);
  show_complete(taken == Taken::kComplete);
}

Status SegmentWriter::publish() {
  stage_touched_nodes();
  if (staged_) {
    const auto committed = commit();
    return committed ? Status(Done{}) : Status(committed.error());
  }
  show_numbers();
  return store_->name_root(generation_);
}

Put SegmentWriter::put_source(std::string_view path, std::string_view content, std::string_view token) {
  const Put put = stage_file({KeySpace::kFile, RecordKind::kSource, path, token, content});
  if (put != Put::kNoRoom) return put;
  count(Counter::kNoSpace);
  put_not_mirrored(path, kNoRoomReasons[static_cast<std::size_t>(store_->full())]);
  return Put::kNoRoom;
}

Put SegmentWriter::put_not_mirrored(std::string_view path, std::string_view reason) {
  const Put put = stage_file({KeySpace::kFile, RecordKind::kNotMirrored, path, {}, reason});
  if (put == Put::kNoRoom) note_no_room(KeySpace::kFile, path);
  return put;
}

Put SegmentWriter::remove(std::string_view path, layout::Reason reason) {
  const Put put = stage_file({KeySpace::kFile, RecordKind::kAbsent, path, {}, {}, 0, reason});
  if (put == Put::kNoRoom) note_no_room(KeySpace::kFile, path);
  return put;
}

bool SegmentWriter::shows(KeySpace space, std::string_view key) const {
  const auto record = newest(space, key);
  return record && record->head.shape.kind != RecordKind::kAbsent;
}

// What is shown is an old version then. What is not can be left out: a miss is no answer until there is room.
void SegmentWriter::note_no_room(KeySpace space, std::string_view key) {
  if (shows(space, key)) {
    starved_ = true;
  } else {
    incomplete_ = true;
    show_complete(false);  // before readers see the generation of which it is true
  }
}

void SegmentWriter::forget_shortage() {
  starved_ = incomplete_ = false;
  try_names_again();
}

void SegmentWriter::know_every_file() {
  if (!std::exchange(adopts_names_, true)) try_names_again();
}

void SegmentWriter::try_names_again() {
  for (const std::string& node : std::exchange(left_out_, {})) nodes_.touch_again(node);
  staged_ |= nodes_.has_touched();
}

// The tree also knows files that are left out: their names must not mean what they would mean without them.
Put SegmentWriter::stage_file(const Change& change) {
  const bool is_new = !shows(change.space, change.key);
  const Put put = stage(change);
  if (change.kind != RecordKind::kAbsent) {
    if (is_new) nodes_.add_file(change.key);
  } else if (put != Put::kNoRoom) {
    nodes_.remove_file(change.key);
  }
  staged_ |= nodes_.has_touched();  // also by what finds no room: what its name has meant until now may be wrong
  if (put != Put::kStaged) return put;
  ++changes_;
  if (changed_.size() < layout::commit::kMaxListed) changed_.push_back(newest(change.space, change.key)->address);
  return put;
}

RecordStore::Use SegmentWriter::use_of(const Change& change) const {
  if (change.kind == RecordKind::kSource) return RecordStore::Use::kSource;
  const bool hides_old_version =
      change.kind == RecordKind::kAbsent || (change.space == KeySpace::kFile && shows(change.space, change.key));
  return hides_old_version ? RecordStore::Use::kHeadroom : RecordStore::Use::kName;
}

std::optional<RecordView> SegmentWriter::newest(KeySpace space, std::string_view key) const {
  const auto place = store_->place_of(space, key);
  if (!place || place->head.value == 0) return std::nullopt;
  return store_->record_at(place->head);
}

void SegmentWriter::mark(std::string_view path, layout::Mark mark, bool on) {
  const auto record = newest(KeySpace::kFile, path);
  if (!record || record->head.has(mark) == on) return;
  store_->mark(*record, record->head.marks ^ static_cast<std::uint64_t>(mark));
  // Until it is committed, readers and the next agent see the version before.
  if (const Address before = record->head.previous; record->head.created == next() && store_->chunks().has(before)) {
    const RecordView shown = store_->record_at(before);
    if (shown.head.has(mark) != on) store_->mark(shown, shown.head.marks ^ static_cast<std::uint64_t>(mark));
  }
  if (mark == layout::Mark::kRetained) retained_ += on ? 1 : std::uint64_t(-1);
  show_numbers();
}

Put SegmentWriter::stage(const Change& change) {
  const auto now = newest(change.space, change.key);
  if (!now && change.kind == RecordKind::kAbsent) return Put::kUnchanged;
  if (now && now->head.shape.kind == change.kind && now->token == change.token && now->content == change.content &&
      now->head.link == change.link) {
    return Put::kUnchanged;
  }
  // The same source under another token: what was made of it stays.
  const bool same_source = now && change.kind == RecordKind::kSource && now->head.shape.kind == change.kind &&
                           now->content == change.content;
  RecordHead head;
  head.created = next();
  head.shape = {change.kind, change.space, static_cast<std::uint16_t>(change.key.size()),
                static_cast<std::uint16_t>(change.token.size()), change.reason};
  head.content_bytes = change.content.size();
  head.link = change.link;
  head.digest = layout::content_digest(change.content);
  const std::string body = record_body(change.key, change.token, change.content);
  const RecordStore::Use use = use_of(change);
  if (now) count(*now, std::uint64_t(-1));  // before it is moved or given back
  if (!store_->add(change.space, change.key, head, body, same_source, use, next())) {
    if (const auto still = newest(change.space, change.key)) count(*still, 1);
    return Put::kNoRoom;
  }
  RecordView added;
  added.head = head;
  added.content = change.content;
  count(added, 1);
  if (change.space == KeySpace::kFile) {
    count(change.kind == RecordKind::kAbsent ? Counter::kDeletes : Counter::kUpdates);
  }
  staged_ = true;
  return Put::kStaged;
}

void SegmentWriter::count(const RecordView& record, std::uint64_t by) {
  const RecordKind kind = record.head.shape.kind;
  if (kind == RecordKind::kAbsent) return;
  if (record.head.has(layout::Mark::kRetained)) retained_ += by;
  if (record.head.shape.space == KeySpace::kNode) {
    node_count_ += by;
  } else if (kind == RecordKind::kSource) {
    modules_ += by;
  } else {
    not_mirrored_ += by;
    if (std::ranges::find(kNoRoomReasons, record.content) != kNoRoomReasons.end()) without_room_ += by;
  }
}

CodeShare* SegmentWriter::share_of(const CodeTag& tag) {
  for (CodeShare& share : code_) {
    if (share.tag == tag) return &share;
  }
  if (code_.size() == layout::control::kCodeTagCapacity) return nullptr;
  code_.push_back({tag, 0, false});
  return &code_.back();
}

bool SegmentWriter::announce_tag(const CodeTag& tag) {
  CodeShare* share = share_of(tag);
  if (share == nullptr) return false;
  share->made_here = true;
  show_numbers();
  return true;
}

std::optional<RecordView> SegmentWriter::source_of(std::string_view path) const {
  auto record = newest(KeySpace::kFile, path);
  if (record && record->head.shape.kind != RecordKind::kSource) record.reset();
  return record;
}

bool SegmentWriter::has_code(std::string_view path, const CodeTag& tag) const {
  const auto source = source_of(path);
  if (!source) return false;
  const auto code = store_->variants_of(*source);
  return std::any_of(code.begin(), code.end(), [&](const VariantView& v) { return v.head.tag == tag; });
}

Attach SegmentWriter::attach_code(std::string_view path, const layout::Checksum& digest, const CodeTag& tag,
                                  std::string_view code) {
  const auto compiled = source_of(path);
  if (!compiled || compiled->head.digest != digest) return Attach::kOutdated;
  if (has_code(path, tag)) return Attach::kPresent;
  if (share_of(tag) == nullptr) return Attach::kNoRoom;
  const VariantHead head{code.size(), tag, digest, layout::hash_key(KeySpace::kFile, path).value};
  if (!store_->attach(KeySpace::kFile, path, head, code)) {
    count(Counter::kCodeDropped);
    return Attach::kNoRoom;
  }
  show_numbers();
  return Attach::kAttached;
}

// One that finds no room waits for the next round. One that is not shown waits until everything is read again, or for
// the file that it lacks.
bool SegmentWriter::stage_touched_nodes(std::size_t most) {
  if (to_stage_.empty()) to_stage_ = nodes_.take_touched();
  for (; most != 0 && !to_stage_.empty(); --most) {
    stage_node(to_stage_.back());
    to_stage_.pop_back();
  }
  return to_stage_.empty();
}

void SegmentWriter::stage_node(const std::string& node) {
  const NodeValue value = nodes_.value_of(node);
  if (!adopts_names_) {
    // Another kind is what it would mean without a file that is not there.
    const auto shown = newest(KeySpace::kNode, node);
    const bool keeps_its_kind = shown && (shown->head.shape.kind == value.kind || value.kind == RecordKind::kAbsent);
    if (!keeps_its_kind && shows(KeySpace::kNode, node)) stage({KeySpace::kNode, RecordKind::kAbsent, node, {}, {}});
    if (!shows(KeySpace::kNode, node)) {
      left_out_.insert(node);
      return;
    }
  }
  Change change{KeySpace::kNode, value.kind, node, {}, value.listing};
  if (!value.file.empty()) change.link = layout::hash_key(KeySpace::kFile, value.file).value;
  const bool has_file = value.file.empty() || shows(KeySpace::kFile, value.file);
  if (has_file && stage(change) != Put::kNoRoom) return;
  // What it meant until now is wrong: better no answer than that.
  stage({KeySpace::kNode, RecordKind::kAbsent, node, {}, {}});
  note_no_room(KeySpace::kNode, node);
  if (shows(KeySpace::kNode, node)) return nodes_.touch_again(node);
  if (has_file) left_out_.insert(node);  // else its file touches it once there is room
}

// For tools: what this generation changes, and when. There is none where there is no room for it.
void SegmentWriter::write_commit() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::string content;
  append_word(content, static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()));
  append_word(content, std::exchange(changes_, 0));
  for (const Address at : std::exchange(changed_, {})) append_word(content, at.value);
  RecordHead head;
  head.created = next();
  head.previous = Address(store_->root().own(layout::control::kLastCommit));
  head.shape = {RecordKind::kCommit, KeySpace::kLog, 0, 0};
  head.content_bytes = content.size();
  head.digest = layout::content_digest(content);
  if (const Address at = store_->add_commit(head, content); at.value != 0) shown().publish_commit(at);
}

Result<Generation> SegmentWriter::commit() {
  stage_touched_nodes();
  if (changes_ != 0) write_commit();
  if (!store_->named()) show_numbers();  // the next agent goes by them, if this one is killed right after
  if (const Status s = store_->name_root(next()); !s) return s.error();
  shown().publish_generation(next());
  generation_ = next();
  store_->committed(generation_);
  staged_ = false;
  count(Counter::kCommits);
  show_numbers();
  return generation_;
}

bool SegmentWriter::tend() {
  const bool more = store_->tend();
  show_numbers();
  return more;
}

void SegmentWriter::publish_sync(BootTime synced_through, BootTime lease_until, BootTime held_since) {
  synced_through_ = synced_through;
  held_since_ = held_since;
  shown().publish_sync(synced_through.ns, lease_until.ns, held_since.ns);
}

void SegmentWriter::set_link_state(const LinkState& s) {
  shown().show(layout::control::kState, static_cast<std::uint64_t>(s.state));
  shown().show(layout::control::kRedisConnected, s.redis_connected ? 1 : 0);
  shown().show(layout::control::kSignals, s.signals);
  shown().show(layout::control::kCuts, static_cast<std::uint64_t>(s.cuts));
  shown().show(layout::control::kDeployingSinceMs, s.deploying_since_unix_ms);
}

void SegmentWriter::show_complete(bool complete) {
  const bool shows_it = store_->root().own(layout::control::kComplete) != 0;
  if (shows_it == complete) return;  // since then
  shown().show_complete(complete ? std::optional(generation_) : std::nullopt);
}

// Word by word: who reads it meanwhile may find a mixture, which is no server's run id.
void SegmentWriter::show_run_id(std::string_view run_id) {
  std::array<layout::Word, layout::control::kRunIdBytes / layout::kWordBytes> words{};
  std::memcpy(words.data(), run_id.data(), std::min<std::size_t>(run_id.size(), layout::control::kRunIdBytes));
  for (std::size_t w = 0; w < words.size(); ++w)
    shown().show(layout::control::kRunId + w * layout::kWordBytes, words[w]);
}

void SegmentWriter::heartbeat(BootTime now) {
  shown().show(layout::control::kHeartbeatNs, now.ns);
}

void SegmentWriter::count(Counter counter, std::uint64_t n) {
  const std::uint64_t offset = counter_offset(counter);
  shown().show(offset, store_->root().own(offset) + n);
}

void SegmentWriter::show_numbers() {
  namespace control = layout::control;
  const auto show = [this](std::uint64_t offset, std::uint64_t value) { shown().show(offset, value); };
  show(control::kModules, modules_);
  show(control::kNotMirrored, not_mirrored_);
  show(control::kRetained, retained_);
  show(control::kNodes, node_count_);
  show(control::kSlotsUsed, store_->root().slots_used());
  show(control::kLiveBytes, store_->live_bytes());
  show(control::kCodeBytes, store_->code_bytes());
  show(control::kHistoryBytes, store_->ledger().bytes());
  show(control::kHistorySinceNs, store_->ledger().kept_since().ns);
  show(control::kHistoryLimit, static_cast<std::uint64_t>(store_->history_limit()));
  show(control::kHistoryMs, static_cast<std::uint64_t>(options_.history.count()));
  show(control::kSizeBytes, store_->size_bytes());
  show(control::kMaxBytes, options_.max_size_bytes);
  show(control::kChunks, store_->chunks().all().size());
  for (std::size_t i = 0; i < code_.size(); ++i) {
    const std::uint64_t entry = control::kCodeTags + i * layout::code_tag::kBytes;
    const CodeTag& tag = code_[i].tag;
    for (std::uint64_t w = 0; w < tag.text().size(); ++w) {
      show(entry + layout::code_tag::kCacheTag + w * layout::kWordBytes, tag.text()[w]);
    }
    show(entry + layout::code_tag::kMagic, tag.key());
    show(entry + layout::code_tag::kModules, code_[i].modules);
    show(entry + layout::code_tag::kMadeHere, code_[i].made_here ? 1 : 0);
  }
}

}  // namespace bifrost
