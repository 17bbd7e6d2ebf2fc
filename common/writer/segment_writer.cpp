#include "common/writer/segment_writer.hpp"

#include <algorithm>

namespace bifrost {
namespace {

using layout::KeySpace;
using layout::RecordKind;

constexpr std::uint64_t kPage = 4096;
// A successor at the maximum size copies everything that is live. Between two of them, at least one part in so many of
// that must have been written: copying stays within this many times the writing, however torn the memory is.
constexpr std::uint64_t kMostMovedPerWritten = 2;
constexpr std::string_view kNoRoomReason = "the segment is full (raise --max-size)";
constexpr std::string_view kNoFileRoomReason = "the file system has no room for a larger segment (enlarge it)";

std::uint64_t valid_size(std::uint64_t bytes) {
  const std::uint64_t clamped = std::clamp(bytes, layout::kMinSegmentBytes, layout::kMaxSegmentBytes);
  return (clamped + kPage - 1) / kPage * kPage;
}

SegmentTable::Use use_of(RecordKind kind) {
  return kind == RecordKind::kSource ? SegmentTable::Use::kSource : SegmentTable::Use::kHeadroom;
}

}  // namespace

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::create(const WriterOptions& options) {
  WriterOptions valid = options;
  valid.size_bytes = valid_size(options.size_bytes);
  valid.max_size_bytes = std::max(valid_size(options.max_size_bytes), valid.size_bytes);
  std::unique_ptr<SegmentWriter> writer(new SegmentWriter(valid));
  auto table = SegmentTable::create(valid.dir, valid.size_bytes, valid.identity);
  if (!table) return table.error();
  writer->table_ = std::move(*table);
  writer->predecessor_ = PredecessorSegment::open(valid.dir);
  writer->generation_ = options.after;
  return writer;
}

Put SegmentWriter::put_source(std::string_view path, std::string_view content, std::string_view token) {
  const Put put = stage_file({KeySpace::kFile, RecordKind::kSource, path, token, content, {}});
  if (put != Put::kNoRoom) return put;
  count(Counter::kNoSpace);
  put_not_mirrored(path, file_system_full_ ? kNoFileRoomReason : kNoRoomReason);
  return Put::kNoRoom;
}

Put SegmentWriter::put_not_mirrored(std::string_view path, std::string_view reason) {
  const Put put = stage_file({KeySpace::kFile, RecordKind::kNotMirrored, path, {}, reason, {}});
  if (put == Put::kNoRoom) note_no_room(KeySpace::kFile, path);
  return put;
}

Put SegmentWriter::remove(std::string_view path) {
  const auto place = table_->place_of(KeySpace::kFile, path);
  if (!place || place->head.value == 0) return Put::kUnchanged;
  const Put put = stage_file({KeySpace::kFile, RecordKind::kAbsent, path, {}, {}, {}});
  if (put == Put::kNoRoom) note_no_room(KeySpace::kFile, path);
  return put;
}

// A key that has a slot still shows its old version; one without a slot looks as if it did not exist.
void SegmentWriter::note_no_room(KeySpace space, std::string_view key) {
  const auto place = table_->place_of(space, key);
  (place && place->head.value != 0 ? starved_ : incomplete_) = true;
}

Put SegmentWriter::stage_file(const Change& change) {
  const Put put = stage(change);
  if (put != Put::kStaged) return put;
  if (change.kind == RecordKind::kAbsent) {
    nodes_.remove_file(change.key);
  } else {
    nodes_.add_file(change.key);
  }
  return put;
}

void SegmentWriter::mark(std::string_view path, layout::Mark mark, bool on) {
  const auto place = table_->place_of(KeySpace::kFile, path);
  if (!place || place->head.value == 0) return;
  const auto bit = static_cast<std::uint64_t>(mark);
  const std::uint64_t now = table_->file().words().own(place->head.value + layout::record::kMarks);
  const std::uint64_t wanted = on ? now | bit : now & ~bit;
  if (now == wanted) return;
  table_->publication().mark(place->head, wanted);
  if (mark == layout::Mark::kRetained) retained_ += on ? 1 : std::uint64_t(-1);
  show_numbers();
}

Put SegmentWriter::stage(const Change& change) {
  const std::uint64_t extent = layout::extent_bytes(change.key.size(), change.token.size(), change.content.size());
  std::optional<SegmentTable::Place> place = place_with_room(change);
  if (!place) return Put::kNoRoom;
  if (place->head.value == 0 && change.kind == RecordKind::kAbsent) return Put::kUnchanged;
  if (place->head.value != 0) {
    const RecordView now = table_->view(place->head);
    if (now.head.shape.kind == change.kind && now.token == change.token && now.content == change.content &&
        now.head.link == change.link) {
      return Put::kUnchanged;
    }
  }
  const SegmentTable* before_allocation = table_.get();
  const auto at = allocate(extent, use_of(change.kind));
  if (!at) return Put::kNoRoom;
  if (table_.get() != before_allocation) place = table_->place_of(change.space, change.key);  // it grew
  if (!place) return Put::kNoRoom;

  RecordHead head{next(),
                  RecordOffset{},
                  extent,
                  layout::Shape{change.kind, change.space, static_cast<std::uint16_t>(change.key.size()),
                                static_cast<std::uint16_t>(change.token.size())},
                  change.content.size(),
                  change.link,
                  layout::content_digest(change.content),
                  RecordOffset{}};
  std::optional<RecordView> before;
  auto variants = SegmentTable::Variants::kOutOfDate;
  if (place->head.value != 0) {
    before = table_->view(place->head);
    // A version staged in this same generation was never visible: the chain steps over it.
    head.previous = before->head.created == next() ? before->head.previous : before->offset;
    // The same source under another token: what was made of it stays.
    if (change.kind == RecordKind::kSource && before->head.shape.kind == change.kind &&
        before->content == change.content) {
      head.variants = before->head.variants;
      variants = SegmentTable::Variants::kTakenOver;
    }
  }
  account(before ? &*before : nullptr, change);
  if (before && variants == SegmentTable::Variants::kOutOfDate) count_code(*table_, *before, std::uint64_t(-1));
  table_->install(*place, *at, head, record_body(change.key, change.token, change.content));
  if (before) table_->supersede(*before, next(), variants);
  written_since_move_ += extent;
  staged_ = true;
  return Put::kStaged;
}

std::optional<SegmentTable::Place> SegmentWriter::place_with_room(const Change& change) {
  auto place = table_->place_of(change.space, change.key);
  if (place) return place;
  // A successor of the same size has the slots of deleted keys to give; copying everything for a few does not pay.
  const std::uint64_t dead_slots = table_->slots_used() - (modules_ + not_mirrored_ + node_count_);
  const bool compacting_pays = dead_slots >= table_->regions().slot_count / 16;
  if (!grow(0) && !(compacting_pays && compact(0, use_of(change.kind)))) return std::nullopt;
  return table_->place_of(change.space, change.key);
}

std::optional<RecordOffset> SegmentWriter::allocate(std::uint64_t extent_bytes, SegmentTable::Use use) {
  if (const auto at = table_->allocate(extent_bytes, use)) return at;
  // Only snapshots older than what is published may be given up: (I2) of snapshot.hpp.
  if (table_->reclaim(generation_) != 0) {
    count(Counter::kReuses);
    if (const auto at = table_->allocate(extent_bytes, use)) return at;
  }
  if (!grow(extent_bytes) && !compact(extent_bytes, use)) return std::nullopt;
  return table_->allocate(extent_bytes, use);
}

// A successor of twice the size, or more if that is what it takes.
Status SegmentWriter::grow(std::uint64_t needed_bytes) {
  file_system_full_ = false;
  std::uint64_t bytes = table_->regions().total_bytes;
  if (bytes >= options_.max_size_bytes) return Error{ErrorCode::kNoSpace, "the segment is at its maximum size"};
  const std::uint64_t content = table_->live_bytes() + table_->code_bytes() + needed_bytes + needed_bytes / 8;
  do {
    bytes = std::min(bytes * 2, options_.max_size_bytes);
  } while (bytes < options_.max_size_bytes && layout::compute_regions(bytes).heap_bytes < content);
  Status moved = move_to_successor(valid_size(bytes), needed_bytes);
  if (moved) count(Counter::kGrowths);
  return moved;
}

// Where it cannot grow, moving the newest versions together gathers all that is free. Only while that pays.
Status SegmentWriter::compact(std::uint64_t needed_bytes, SegmentTable::Use use) {
  const layout::Regions& now = table_->regions();
  const std::uint64_t live = table_->live_bytes();
  const std::uint64_t headroom = table_->headroom_bytes();
  // Code stays behind where there is no room, but it must not be what is gathered for.
  if (use == SegmentTable::Use::kCode) return Error{ErrorCode::kNoSpace, "code is not worth moving everything"};
  const std::uint64_t keep = use == SegmentTable::Use::kSource ? headroom : headroom / 2;
  if (live + needed_bytes + keep > now.heap_bytes) {
    return Error{ErrorCode::kNoSpace, "the live modules leave no room"};
  }
  // What must not wait: without its tombstone, an old version would go on being served.
  if (use == SegmentTable::Use::kSource && written_since_move_ < live / kMostMovedPerWritten) {
    return Error{ErrorCode::kNoSpace, "too little was written since everything was moved last"};
  }
  Status moved = move_to_successor(now.total_bytes, needed_bytes);
  if (moved) count(Counter::kGrowths);
  return moved;
}

Status SegmentWriter::republish() {
  return move_to_successor(table_->regions().total_bytes, 0);
}

Status SegmentWriter::move_to_successor(std::uint64_t bytes, std::uint64_t needed_bytes) {
  auto created = SegmentTable::create(options_.dir, bytes, options_.identity);
  if (!created) {
    file_system_full_ = created.error().code == ErrorCode::kNoSpace;
    return created.error();
  }
  SegmentTable& to = **created;
  bool fits = true;
  const auto copy = [&](const RecordView& record, SlotNumber link) {
    const auto place = to.place_of(record.head.shape.space, record.key);
    const auto at = to.allocate(record.head.extent_bytes, use_of(record.head.shape.kind));
    if (!place || !at) {
      fits = false;
      return;
    }
    RecordHead head = record.head;
    head.previous = RecordOffset{};  // readers of the successor start at its first generation
    head.link = link;
    head.variants = RecordOffset{};
    to.install(*place, *at, head, record_body(record.key, record.token, record.content));
    const std::uint64_t marks = table_->file().words().own(record.offset.value + layout::record::kMarks);
    if (marks != 0) to.publication().mark(*at, marks);
  };
  // Files first: nodes name them by their slots.
  table_->for_each_newest([&](SlotNumber, const RecordView& record) {
    if (record.head.shape.space == KeySpace::kFile && record.head.shape.kind != RecordKind::kAbsent) copy(record, {});
  });
  table_->for_each_newest([&](SlotNumber, const RecordView& record) {
    if (record.head.shape.space != KeySpace::kNode || record.head.shape.kind == RecordKind::kAbsent) return;
    std::string file(record.key);
    switch (record.head.shape.kind) {
      case RecordKind::kModule: file += ".py"; break;
      case RecordKind::kPackage: file += "/__init__.py"; break;
      default: copy(record, {}); return;
    }
    const auto place = to.place_of(KeySpace::kFile, file);
    // A node whose file was deleted in this same batch: commit() rewrites it.
    if (place && place->head.value != 0) copy(record, place->slot);
  });
  if (fits) move_code(to, needed_bytes);
  if (!fits) return Error{ErrorCode::kNoSpace, "the live modules do not fit a segment of the maximum size"};
  to.publication().give_up_before(next());
  if (named_) {
    previous_ = std::move(table_);
    named_ = false;
  }
  table_ = std::move(*created);
  staged_ = true;
  ++moves_;
  written_since_move_ = 0;
  return Done{};
}

// As much of the code as there is room for: sources come first, and workers can do without.
void SegmentWriter::move_code(SegmentTable& to, std::uint64_t needed_bytes) {
  for (CodeShare& share : code_) share.modules = 0;
  table_->for_each_newest([&](SlotNumber, const RecordView& record) {
    if (record.head.shape.kind != RecordKind::kSource) return;
    const auto place = to.place_of(KeySpace::kFile, record.key);
    table_->for_each_variant(record, [&](const VariantView& variant) {
      CodeShare* share = share_of(variant.tag);
      const auto at = to.allocate(variant.extent_bytes, SegmentTable::Use::kCode, needed_bytes);
      if (share == nullptr || !at) return count(Counter::kCodeDropped);
      to.attach(to.view(place->head), *at, variant.tag, variant.code);
      ++share->modules;
    });
  });
}

CodeShare* SegmentWriter::share_of(const CodeTag& tag) {
  for (CodeShare& share : code_) {
    if (share.tag == tag) return &share;
  }
  if (code_.size() == layout::control::kCodeTagCapacity) return nullptr;
  code_.push_back({tag, 0, false});
  return &code_.back();
}

void SegmentWriter::count_code(const SegmentTable& table, const RecordView& record, std::uint64_t by) {
  table.for_each_variant(record, [&](const VariantView& variant) {
    if (CodeShare* share = share_of(variant.tag)) share->modules += by;
  });
}

bool SegmentWriter::announce_tag(const CodeTag& tag) {
  CodeShare* share = share_of(tag);
  if (share == nullptr) return false;
  share->made_here = true;
  show_numbers();
  return true;
}

std::optional<RecordView> SegmentWriter::source_of(std::string_view path) const {
  const auto place = table_->place_of(KeySpace::kFile, path);
  if (!place || place->head.value == 0) return std::nullopt;
  const RecordView newest = table_->view(place->head);
  if (newest.head.shape.kind != RecordKind::kSource) return std::nullopt;
  return newest;
}

bool SegmentWriter::has_code(std::string_view path, const CodeTag& tag) const {
  const auto newest = source_of(path);
  bool found = false;
  if (newest) table_->for_each_variant(*newest, [&](const VariantView& v) { found |= v.tag == tag; });
  return found;
}

Attach SegmentWriter::attach_code(std::string_view path, const layout::Checksum& digest, const CodeTag& tag,
                                  std::string_view code) {
  const auto compiled = source_of(path);
  if (!compiled || compiled->head.digest != digest) return Attach::kOutdated;
  if (has_code(path, tag)) return Attach::kPresent;
  if (share_of(tag) == nullptr) return Attach::kNoRoom;
  const auto at = allocate(layout::variant_bytes(code.size()), SegmentTable::Use::kCode);
  if (!at) {
    count(Counter::kCodeDropped);
    return Attach::kNoRoom;
  }
  // Both looked up again: it may have grown, and taken other tags over.
  table_->attach(*source_of(path), *at, tag, code);
  ++share_of(tag)->modules;
  show_numbers();
  return Attach::kAttached;
}

void SegmentWriter::stage_node(const std::string& node) {
  const NodeValue value = nodes_.value_of(node);
  Change change{KeySpace::kNode, value.kind, node, {}, value.listing, {}};
  // The link is a slot number of the table that the record lands in, which growth may replace once on the way.
  for (int attempt = 0; attempt < 2; ++attempt) {
    const std::uint64_t moves = moves_;
    if (!value.file.empty()) {
      const auto place = table_->place_of(KeySpace::kFile, value.file);
      if (!place || place->head.value == 0) break;
      change.link = place->slot;
    }
    const Put put = stage(change);
    if (put == Put::kNoRoom) break;
    if (moves_ == moves || value.file.empty()) return;
  }
  note_no_room(KeySpace::kNode, node);
  nodes_.touch_again(node);
}

Result<Generation> SegmentWriter::commit() {
  for (const std::string& node : nodes_.take_touched()) stage_node(node);
  if (!named_) {
    SegmentTable& old = shown();
    if (&old != table_.get()) copy_control_block(old, *table_);
    table_->publication().publish_generation(next());
    if (const Status s = table_->file().publish(); !s) return s.error();
    named_ = true;
    predecessor_.retire();
    if (previous_) {
      previous_->publication().retire();
      previous_.reset();
    }
  } else {
    table_->publication().publish_generation(next());
  }
  generation_ = next();
  staged_ = false;
  count(Counter::kCommits);
  show_numbers();
  return generation_;
}

void SegmentWriter::publish_sync(BootTime synced_through, BootTime lease_until) {
  synced_through_ = synced_through;
  shown().publication().publish_sync(synced_through.ns, lease_until.ns);
}

void SegmentWriter::set_link_state(const LinkState& s) {
  Publication& p = shown().publication();
  p.show(layout::control::kState, static_cast<std::uint64_t>(s.state));
  p.show_complete(s.complete);
  p.show(layout::control::kRedisConnected, s.redis_connected ? 1 : 0);
  p.show(layout::control::kSignals, s.signals);
}

void SegmentWriter::heartbeat(BootTime now) {
  shown().publication().show(layout::control::kHeartbeatNs, now.ns);
}

void SegmentWriter::count(Counter counter, std::uint64_t n) {
  SegmentTable& table = shown();
  const std::uint64_t offset = counter_offset(counter);
  table.publication().show(offset, table.file().words().own(offset) + n);
}

void SegmentWriter::account(const RecordView* before, const Change& change) {
  const auto adjust = [this](KeySpace space, RecordKind kind, std::string_view content, std::uint64_t by) {
    if (kind == RecordKind::kAbsent) return;
    if (space == KeySpace::kNode) {
      node_count_ += by;
    } else if (kind == RecordKind::kSource) {
      modules_ += by;
    } else {
      not_mirrored_ += by;
      if (content == kNoRoomReason || content == kNoFileRoomReason) without_room_ += by;
    }
  };
  if (before != nullptr) {
    adjust(change.space, before->head.shape.kind, before->content, std::uint64_t(-1));
    const std::uint64_t marks = table_->file().words().own(before->offset.value + layout::record::kMarks);
    if ((marks & static_cast<std::uint64_t>(layout::Mark::kRetained)) != 0)
      --retained_;  // a new version starts without the mark
  }
  adjust(change.space, change.kind, change.content, 1);
  if (change.space == KeySpace::kFile) {
    count(change.kind == RecordKind::kAbsent ? Counter::kDeletes : Counter::kUpdates);
  }
}

void SegmentWriter::copy_control_block(SegmentTable& from, SegmentTable& to) {
  const auto copy = [&](std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t offset = begin; offset < end; offset += layout::kWordBytes) {
      to.publication().show(offset, from.file().words().own(offset));
    }
  };
  copy(layout::control::kSyncedThroughNs, layout::control::kCodeBytes + layout::kWordBytes);
  copy(layout::control::kCounters, layout::control::kCounters + layout::control::kCounterCapacity * layout::kWordBytes);
}

void SegmentWriter::show_numbers() {
  Publication& p = shown().publication();
  // Most of them are as before, and each store takes a cache line from the readers that look at it.
  const auto show = [&p](std::uint64_t offset, std::uint64_t value) {
    if (p.words().own(offset) != value) p.show(offset, value);
  };
  show(layout::control::kModules, modules_);
  show(layout::control::kNotMirrored, not_mirrored_);
  show(layout::control::kRetained, retained_);
  show(layout::control::kNodes, node_count_);
  show(layout::control::kSlotsUsed, shown().slots_used());
  show(layout::control::kHeapUsedBytes, shown().live_bytes() + shown().code_bytes());
  show(layout::control::kCodeBytes, shown().code_bytes());
  show(layout::control::kHeapReclaimableBytes, shown().reclaimable_bytes());
  for (std::size_t i = 0; i < code_.size(); ++i) {
    const std::uint64_t entry = layout::control::kCodeTags + i * layout::code_tag::kBytes;
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
