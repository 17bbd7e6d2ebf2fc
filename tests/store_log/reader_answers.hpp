// reader_answers.hpp - what a reader is told, as text, so that it can be compared with the truth of its generation.
//
// Templates over the snapshot, so that mutants of the protocol and other ways to load words can take its place.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "common/layout/segment_layout.hpp"
#include "recorded_writer.hpp"

namespace bifrost::store_log {

template <class Lookup>
std::string name_of(Lookup status) {
  switch (status) {
    case Lookup::kHit: return "<hit>";
    case Lookup::kMiss: return kMissAnswer;
    case Lookup::kNotMirrored: return kNotMirroredAnswer;
    case Lookup::kGone: return kGoneAnswer;
    case Lookup::kDamaged: return kDamagedAnswer;
  }
  return "<?>";
}

// The content as a worker would execute it: copied, then confirmed.
template <class Snapshot, class Record>
std::string content_of(const Snapshot& snapshot, const Record& record) {
  std::string text;
  const auto copied = snapshot.copy_content(record, text);
  return copied == std::decay_t<decltype(copied)>::kHit ? text : name_of(copied);
}

template <class Snapshot>
std::string file_answer(const Snapshot& snapshot, std::string_view path) {
  const auto found = snapshot.find_file(path);
  using Lookup = std::decay_t<decltype(found.status)>;
  return found.status == Lookup::kHit ? content_of(snapshot, found.record) : name_of(found.status);
}

// With the checksum compared: a record that a sound reader found must be whole.
template <class Snapshot>
std::string verified_answer(const Snapshot& snapshot, std::string_view path) {
  const auto found = snapshot.find_file(path);
  using Lookup = std::decay_t<decltype(found.status)>;
  if (found.status != Lookup::kHit) return name_of(found.status);
  std::string body;
  const Lookup verified = snapshot.verify(found.record, body);
  return verified == Lookup::kHit ? std::string(Snapshot::content_in(found.record, body)) : name_of(verified);
}

// The code that was found: copied, then confirmed.
template <class Snapshot, class Variant>
std::string code_of(const Snapshot& snapshot, const Variant& variant) {
  std::string code(variant.code_bytes, '\0');
  const auto read = snapshot.read_code(variant, code.data());
  return read == std::decay_t<decltype(read)>::kHit ? code : name_of(read);
}

// The compiled code that a worker would run; kMissAnswer when there is none.
template <class Variant, class Snapshot>
std::string code_answer(const Snapshot& snapshot, const std::string& path) {
  const auto found = snapshot.find_file(path);
  using Lookup = std::decay_t<decltype(found.status)>;
  if (found.status != Lookup::kHit) return name_of(found.status);
  Variant variant;
  const Lookup status = snapshot.find_variant(found.record, path, kTag, variant);
  return status == Lookup::kHit ? code_of(snapshot, variant) : name_of(status);
}

// The source as the loader reads it: the record's own words verified, then the content by its digest.
template <class Snapshot>
std::string loaded_answer(const Snapshot& snapshot, std::string_view path) {
  const auto found = snapshot.find_file(path);
  using Lookup = std::decay_t<decltype(found.status)>;
  if (found.status != Lookup::kHit) return name_of(found.status);
  std::string scratch;
  if (const Lookup head = snapshot.verify_head(found.record, scratch); head != Lookup::kHit) return name_of(head);
  std::string text(found.record.content_bytes, '\0');
  const Lookup read = snapshot.read_content(found.record, text.data());
  return read == Lookup::kHit ? text : name_of(read);
}

template <class Snapshot>
std::string node_answer(const Snapshot& snapshot, std::string_view name) {
  const auto found = snapshot.find_node(name);
  using Lookup = std::decay_t<decltype(found.status)>;
  if (found.status != Lookup::kHit) return name_of(found.status);
  if (found.node.shape.kind == layout::RecordKind::kNamespace) return "namespace";
  const std::string content =
      found.file.shape.kind == layout::RecordKind::kNotMirrored ? kNotMirroredAnswer : content_of(snapshot, found.file);
  if (content == kGoneAnswer || content == kDamagedAnswer) return content;
  return (found.node.shape.kind == layout::RecordKind::kPackage ? "package:" : "module:") + content;
}

}  // namespace bifrost::store_log
