#include "tools/cachectl/segment_check.hpp"

#include <fmt/format.h>

#include <utility>

#include "common/base/module_path.hpp"
#include "common/layout/listing.hpp"
#include "tools/cachectl/segment_access.hpp"

namespace bifrost::cachectl {
namespace {

using layout::KeySpace;
using layout::RecordKind;

std::string_view word_for(RecordKind kind) {
  switch (kind) {
    case RecordKind::kModule: return "module";
    case RecordKind::kPackage: return "package";
    case RecordKind::kNamespace: return "namespace";
    default: return "unknown";
  }
}

// What a record keeps when the agent moves it. Its address is another one then.
bool same_version(const RecordRef& a, const RecordRef& b) {
  return a.created == b.created && layout::pack_shape(a.shape) == layout::pack_shape(b.shape) &&
         a.content_bytes == b.content_bytes && a.link == b.link && a.digest == b.digest;
}

}  // namespace

void SegmentCheck::find_fault(std::string key, std::string what) {
  ++report_.contradictions;
  if (report_.findings.size() < CheckReport::kMaxFindings) {
    report_.findings.push_back({std::move(key), std::move(what)});
  }
}

void SegmentCheck::find_no_name(std::string key, std::string what) {
  if (report_.complete) find_fault(std::move(key), std::move(what));
}

Lookup SegmentCheck::run(const std::function<void(SlotNumber)>& on_slot) {
  for (SlotNumber slot{0}; slot.value < snapshot_.slot_count(); ++slot.value) {
    on_slot(slot);
    if (check_slot(slot) != Lookup::kGone) continue;
    const auto look = [&](const Snapshot& s) { return SegmentCheck(segment_, s).check_slot(slot); };
    if (!is_lost(segment_, snapshot_, look)) return Lookup::kGone;
    find_fault(fmt::format("slot {}", slot.value), "leads to memory that is not there");
  }
  return check_everything_is_listed();
}

Lookup SegmentCheck::check_slot(SlotNumber slot) {
  const Found found = snapshot_.at_slot(slot);
  switch (found.status) {
    case Lookup::kGone: return Lookup::kGone;
    case Lookup::kMiss: return Lookup::kHit;
    case Lookup::kHit: return check_record(slot, found.record);
    default: find_fault(fmt::format("slot {}", slot.value), "leads to no valid record"); return Lookup::kHit;
  }
}

Lookup SegmentCheck::check_record(SlotNumber slot, const RecordRef& record) {
  ++report_.records;
  report_.bytes += record.extent_bytes();
  const Lookup verified = snapshot_.verify(record, body_);
  if (verified == Lookup::kGone) return verified;
  const std::string key = body_.substr(0, record.shape.key_bytes);
  if (verified != Lookup::kHit) {
    find_fault(key, fmt::format("checksum mismatch in slot {}", slot.value));
    return Lookup::kHit;
  }
  if (record.shape.kind == RecordKind::kAbsent) return Lookup::kHit;
  const Found again = snapshot_.find(record.shape.space, key);
  if (again.status == Lookup::kGone) return again.status;
  if ((again.status != Lookup::kHit && again.status != Lookup::kNotMirrored) || !same_version(again.record, record)) {
    find_fault(key, fmt::format("a lookup does not find the record in slot {}", slot.value));
    return Lookup::kHit;
  }
  if (record.shape.space == KeySpace::kFile) return check_file(record, key);
  const std::string content(Snapshot::content_in(record, body_));
  return check_node(record, key, content);
}

Lookup SegmentCheck::check_file(const RecordRef& record, const std::string& path) {
  ++report_.modules;
  if (record.shape.kind != RecordKind::kSource && record.shape.kind != RecordKind::kNotMirrored) {
    find_fault(path, "a storage path with the record of an import name");
    return Lookup::kHit;
  }
  if (const auto fault = paths::fault_in_path(path)) {
    find_fault(path, fmt::format("no module can have this path: {}", reason_text(*fault)));
    return Lookup::kHit;
  }
  if (check_code(record, path) == Lookup::kGone) return Lookup::kGone;
  const bool package = path.ends_with(paths::kInitFile);
  const std::string name = path.substr(0, path.size() - (package ? paths::kInitFile.size() : paths::kSuffix.size()));
  const Found node = snapshot_.find(KeySpace::kNode, name);
  if (node.status == Lookup::kGone) return node.status;
  if (node.status != Lookup::kHit) {
    find_no_name(path, "no import name leads to it");
    return Lookup::kHit;
  }
  const RecordKind kind = node.record.shape.kind;
  const bool shadowed = !package && kind == RecordKind::kPackage;  // a package wins over a module of its name
  const bool fits = kind == (package ? RecordKind::kPackage : RecordKind::kModule) &&
                    node.record.link == layout::hash_key(KeySpace::kFile, path).value;
  if (!shadowed && !fits) find_fault(path, "its import name leads elsewhere");
  return Lookup::kHit;
}

Lookup SegmentCheck::check_code(const RecordRef& record, const std::string& path) {
  VariantRef variant;
  std::string code;
  std::uint64_t count = 0;
  Lookup status = snapshot_.next_variant(record, variant);
  for (; status == Lookup::kHit; status = snapshot_.next_variant(record, variant)) {
    if (++count > layout::kMaxVariants) {
      find_fault(path, "its list of compiled code does not end");
      return Lookup::kHit;
    }
    ++report_.variants;
    report_.bytes += layout::variant_bytes(variant.code_bytes);
    VariantRef found;
    const Lookup by_tag = snapshot_.find_variant(record, path, variant.tag, found);
    if (by_tag == Lookup::kGone) return by_tag;
    if (by_tag != Lookup::kHit || found.address != variant.address) {
      find_fault(path, fmt::format("its code for {} belongs to something else", variant.tag.name()));
      continue;
    }
    code.resize(variant.code_bytes);
    const Lookup read = snapshot_.read_code(variant, code.data());
    if (read == Lookup::kGone) return read;
    if (read != Lookup::kHit) {
      find_fault(path, fmt::format("checksum mismatch in its code for {}", variant.tag.name()));
    }
  }
  if (status == Lookup::kDamaged) find_fault(path, "its list of compiled code leads nowhere");
  return Lookup::kHit;  // code may be given up, or moved with a newer version, before the version that it was made of
}

Lookup SegmentCheck::check_node(const RecordRef& record, const std::string& name, std::string_view content) {
  ++report_.names;
  if (!name.empty()) existing_.push_back(name);
  const RecordKind kind = record.shape.kind;
  if (kind != RecordKind::kModule && kind != RecordKind::kPackage && kind != RecordKind::kNamespace) {
    find_fault(name, "an import name with the record of a storage path");
    return Lookup::kHit;
  }
  if (kind != RecordKind::kNamespace) {
    const FoundNode found = snapshot_.find_node(name);
    if (found.status == Lookup::kGone) return found.status;
    std::string path;
    if (found.status == Lookup::kHit) {
      if (const Lookup copied = snapshot_.copy_key(found.file, path); copied != Lookup::kHit) return copied;
    }
    if (path != name + std::string(kind == RecordKind::kModule ? paths::kSuffix : paths::kInitFile)) {
      find_fault(name, fmt::format("this {} does not lead to its file", word_for(kind)));
    }
  }
  return kind == RecordKind::kModule ? Lookup::kHit : check_listing(name, content);
}

Lookup SegmentCheck::check_listing(const std::string& name, std::string_view content) {
  std::vector<Child> children;
  if (!decode_listing(content, children)) find_fault(name, "its listing cannot be decoded");
  for (std::size_t i = 0; i < children.size(); ++i) {
    const Child& child = children[i];
    if (i > 0 && children[i - 1].name >= child.name) find_fault(name, "its listing is not in order");
    const std::string full = join_node(name, child.name);
    const Found found = snapshot_.find(KeySpace::kNode, full);
    if (found.status == Lookup::kGone) return found.status;
    if (found.status == Lookup::kMiss) {
      find_no_name(full, "listed, but not there");
    } else if (found.status != Lookup::kHit || found.record.shape.kind != child.kind) {
      find_fault(full, fmt::format("listed as a {} but not there as one", word_for(child.kind)));
    }
    listed_.insert(full);
  }
  return Lookup::kHit;
}

Lookup SegmentCheck::check_everything_is_listed() {
  for (const std::string& name : existing_) {
    if (listed_.count(name) != 0) continue;
    // A directory beside a module of its name is none to Python, and has no listing.
    const Found above = snapshot_.find(KeySpace::kNode, split_node(name).directory);
    if (above.status == Lookup::kHit && above.record.shape.kind == RecordKind::kModule) continue;
    find_no_name(name, "not listed in its directory");
  }
  return Lookup::kHit;
}

}  // namespace bifrost::cachectl
