#include "common/writer/chunk_store.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/base/segment_dir.hpp"

namespace bifrost {
namespace {

namespace header = layout::chunk;

std::uint64_t whole_pages(std::uint64_t bytes) {
  return (bytes + layout::kPageBytes - 1) / layout::kPageBytes * layout::kPageBytes;
}

}  // namespace

std::string record_body(std::string_view key, std::string_view token, std::string_view content) {
  std::string body;
  body.reserve(layout::padded(key.size()) + layout::padded(token.size()) + layout::padded(content.size()));
  for (const std::string_view part : {key, token, content}) {
    body.append(part);
    body.resize(layout::padded(body.size()), '\0');
  }
  return body;
}

std::optional<Address> ChunkStore::make_place(std::uint64_t bytes, Keep keep) {
  if (bytes > planned_bytes_ / 2) {  // one of its own
    // What must be kept is kept in the chunk that is being filled.
    if (keep.behind != 0 && !make_place(0, keep)) return std::nullopt;
    const std::uint64_t total = whole_pages(header::kHeaderBytes + bytes);
    const auto number = begin_chunk(total, total, keep.spare);
    if (!number) return std::nullopt;
    chunk(*number).sealed = true;
    return Address(*number, header::kHeaderBytes);
  }
  if (filling_) {
    const Chunk& now = chunk(*filling_);
    if (now.used + bytes + keep.behind <= now.file.bytes()) return place_in(*filling_, bytes, keep);
  }
  // The old one is sealed only when there is another: what is kept in it must stay within reach.
  const std::uint64_t reserved = std::min(planned_bytes_, whole_pages(header::kHeaderBytes + bytes + keep.behind));
  const auto number = begin_chunk(planned_bytes_, reserved, keep.spare);
  if (!number) return std::nullopt;
  seal();
  filling_ = *number;
  return place_in(*filling_, bytes, keep);
}

std::optional<Address> ChunkStore::place_in(ChunkNumber number, std::uint64_t bytes, Keep keep) {
  Chunk& c = chunk(number);
  const std::uint64_t needed = c.used + bytes + keep.behind;
  const std::uint64_t before = c.file.reserved();
  if (needed <= before) return Address(number, c.used);
  // A step if there is room for it, else just what is needed.
  const std::uint64_t step = keep.spare != 0 ? kReserveStep : step_of_the_last();
  for (const std::uint64_t wanted : {whole_pages(needed + step), whole_pages(needed)}) {
    const std::uint64_t target = std::min(wanted, c.file.bytes());
    if (!may_take(target - before, keep.spare)) continue;
    if (const Status s = c.file.reserve(target, keep.spare); !s) {
      full_ = Full::kFileSystem;
      continue;
    }
    reserved_ += target - before;
    return Address(number, c.used);
  }
  return std::nullopt;
}

bool ChunkStore::may_take(std::uint64_t more, std::uint64_t spare) {
  if (reserved_ + more + spare <= allowed_) return true;
  full_ = Full::kAllowance;
  return false;
}

std::optional<ChunkNumber> ChunkStore::begin_chunk(std::uint64_t bytes, std::uint64_t reserved, std::uint64_t spare) {
  if (!may_take(reserved, spare)) return std::nullopt;
  auto file = SegmentFile::create(dir_, bytes, reserved, spare);
  if (!file) {
    full_ = file.error().code == ErrorCode::kNoSpace ? Full::kFileSystem : Full::kProcess;
    return std::nullopt;
  }
  const ChunkNumber number = next_;
  WriteWords words = file->words();
  // Plain relaxed stores: the file has no name yet, and rename publishes it.
  words.relaxed(layout::prefix::kMagic, header::kMagic);
  words.relaxed(layout::prefix::kLayoutVersion, layout::kLayoutVersion);
  words.relaxed(layout::prefix::kFingerprint, layout::fingerprint());
  words.relaxed(layout::prefix::kTotalBytes, bytes);
  words.relaxed(header::kStoreLow, id_.low);
  words.relaxed(header::kStoreHigh, id_.high);
  words.relaxed(header::kNumber, number.value);
  words.relaxed(header::kUsedBytes, header::kHeaderBytes);
  if (!file->publish(chunk_file_name(number.value))) {
    full_ = Full::kFileSystem;
    return std::nullopt;
  }
  reserved_ += file->reserved();
  chunks_.emplace(number.value, Chunk{std::move(*file)});
  ++next_.value;
  return number;
}

void ChunkStore::seal() {
  if (filling_) cut(chunk(*filling_));
  filling_.reset();
}

void ChunkStore::cut(Chunk& c) {
  c.sealed = true;
  reserved_ -= c.file.reserved();
  c.file.cut(whole_pages(c.used));
  reserved_ += c.file.reserved();
}

bool ChunkStore::seal_if_wasteful() {
  if (!filling_ || chunk(*filling_).waste() * 4 < chunk(*filling_).file.bytes()) return false;
  seal();
  return true;
}

Status ChunkStore::adopt(ChunkNumber number) {
  auto file = SegmentFile::adopt(dir_, chunk_file_name(number.value));
  if (!file) return file.error();
  const WriteWords words = file->words();
  const std::uint64_t used = file->bytes() < header::kHeaderBytes ? 0 : words.own(header::kUsedBytes);
  const bool sound = used >= header::kHeaderBytes && used <= file->bytes() && used % layout::kWordBytes == 0 &&
                     words.own(layout::prefix::kMagic) == header::kMagic &&
                     words.own(layout::prefix::kFingerprint) == layout::fingerprint() &&
                     words.own(layout::prefix::kTotalBytes) == file->bytes() &&
                     words.own(header::kNumber) == number.value && words.own(header::kGone) == 0 &&
                     StoreId{words.own(header::kStoreLow), words.own(header::kStoreHigh)} == id_;
  if (!sound) return Error{ErrorCode::kDamaged, "not a chunk of this store"};
  reserved_ += file->reserved();
  Chunk adopted{std::move(*file)};
  adopted.used = used;
  cut(chunks_.emplace(number.value, std::move(adopted)).first->second);
  count_from(number);
  return Done{};
}

void ChunkStore::leave(ChunkNumber number) {
  if (filling_ == number) filling_.reset();
  const auto chunk = chunks_.extract(number.value);
  reserved_ -= chunk.mapped().file.reserved();
  left_.push_back(std::move(chunk.mapped()));
}

void ChunkStore::give_back_left() {
  for (Chunk& c : std::exchange(left_, {})) {
    c.file.remove();
    ChunkPublication(c.file.words()).give_back(c.file.bytes());
  }
}

void ChunkStore::write_record(Address at, const RecordHead& head, Address variants, std::string_view body) {
  publication(at).write_record(at.offset(), head, variants, body);
  chunk(at.chunk()).used = at.offset() + head.extent_bytes();
}

void ChunkStore::write_variant(Address at, const VariantHead& head, std::string_view code) {
  publication(at).write_variant(at.offset(), head, code);
  chunk(at.chunk()).used = at.offset() + head.extent_bytes();
}

void ChunkStore::attach(Address record, Address variant) {
  const std::vector<VariantView> there = variants_of(record);
  const Address holder = there.empty() ? record : there.back().address;
  const std::uint64_t word = there.empty() ? layout::record::kVariants : layout::variant::kNext;
  publication(holder).attach_variant(holder.offset() + word, variant);
}

void ChunkStore::detach_all(Address record) {
  publication(record).attach_variant(record.offset() + layout::record::kVariants, Address());
}

void ChunkStore::mark(Address at, std::uint64_t marks) {
  publication(at).mark(at.offset(), marks);
}

RecordView ChunkStore::record_at(Address at) const {
  const WriteWords words = words_of(at);
  const auto word = [&](std::uint64_t offset) { return words.own(at.offset() + offset); };
  RecordView v;
  v.address = at;
  v.head.read(word);
  v.variants = Address(word(layout::record::kVariants));
  const char* body = words.own_bytes(at.offset() + layout::record::kHeaderBytes);
  v.body = {body, v.head.extent_bytes() - layout::record::kHeaderBytes};
  v.key = {body, v.head.shape.key_bytes};
  body += layout::padded(v.head.shape.key_bytes);
  v.token = {body, v.head.shape.token_bytes};
  body += layout::padded(v.head.shape.token_bytes);
  v.content = {body, v.head.content_bytes};
  return v;
}

VariantView ChunkStore::variant_at(Address at) const {
  const WriteWords words = words_of(at);
  const auto word = [&](std::uint64_t offset) { return words.own(at.offset() + offset); };
  VariantView v;
  v.address = at;
  v.next = Address(word(layout::variant::kNext));
  v.head.read(word);
  v.code = {words.own_bytes(at.offset() + layout::variant::kHeaderBytes), v.head.code_bytes};
  return v;
}

std::vector<VariantView> ChunkStore::variants_of(Address record) const {
  std::vector<VariantView> variants;
  Address at(words_of(record).own(record.offset() + layout::record::kVariants));
  for (; at.value != 0 && has(at) && variants.size() < layout::kMaxVariants; at = variants.back().next) {
    variants.push_back(variant_at(at));
  }
  return variants;
}

std::optional<ChunkStore::BlockView> ChunkStore::block_at(Address at) const {
  const Chunk& c = chunks_.at(at.chunk().value);
  if (at.offset() >= c.used) return std::nullopt;
  const layout::Word extent = c.file.words().own(at.offset());
  const std::uint64_t bytes = layout::extent_bytes(extent);
  const auto kind = static_cast<layout::Block>(extent >> 56);
  const bool variant = kind == layout::Block::kVariant;
  const std::uint64_t head = variant ? layout::variant::kHeaderBytes : layout::record::kHeaderBytes;
  if ((!variant && kind != layout::Block::kRecord) || bytes < head || bytes > c.used - at.offset()) return std::nullopt;
  // What its head says of the lengths inside, which nobody has verified in a version of the past.
  const auto word = [&](std::uint64_t offset) { return c.file.words().own(at.offset() + offset); };
  const std::uint64_t inside = word(variant ? layout::variant::kCodeBytes : layout::record::kContentBytes);
  const layout::Shape shape = layout::unpack_shape(variant ? 0 : word(layout::record::kShape));
  const bool fits =
      inside <= bytes && bytes == (variant ? layout::variant_bytes(inside)
                                           : layout::record_bytes(shape.key_bytes, shape.token_bytes, inside));
  return fits ? std::optional(BlockView{kind, bytes}) : std::nullopt;
}

Status ChunkStore::share(const SegmentFile& root) {
  Status all = Done{};
  for (auto& [number, chunk] : chunks_) {
    if (Status s = chunk.file.give_rights_of(root); !s && all) all = std::move(s);
  }
  return all;
}

Status remove_chunks(const std::string& dir) {
  const auto numbers = chunk_files_in(dir);
  if (!numbers) return numbers.error();
  for (const std::uint64_t number : *numbers) {
    const std::string name = chunk_file_name(number);
    auto file = SegmentFile::adopt(dir, name);
    const bool ours = file && file->bytes() > header::kHeaderBytes &&
                      file->words().own(layout::prefix::kMagic) == header::kMagic &&
                      file->words().own(layout::prefix::kFingerprint) == layout::fingerprint();
    if (ours) ChunkPublication(file->words()).give_back(file->bytes());
    ::unlink(path_in(dir, name).c_str());
  }
  return Done{};
}

}  // namespace bifrost
