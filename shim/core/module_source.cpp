#include "shim/core/module_source.hpp"

namespace bifrost {
namespace {

// A worker reads each version once. From this size on the pages behind the copy are given back at once; below it the
// system call and the neighbours' page faults would cost more than the memory is worth.
constexpr std::uint64_t kGiantBytes = 1 << 20;

}  // namespace

Lookup ModuleSource::read(std::string& to) const {
  if (content_ != nullptr) {
    to = *content_;
    return Lookup::kHit;
  }
  if (segment_ == nullptr) return Lookup::kMiss;
  to.resize(record_.content_bytes);
  const Lookup copied = snapshot_.read_content(record_, to.data());
  if (to.size() >= kGiantBytes) segment_->forget_pages(record_.content_offset(), to.size());
  return copied;
}

Lookup ModuleSource::read_code(std::string_view path, const CodeTag& tag, CodeBuffer& to) const {
  if (segment_ == nullptr || tag.empty()) return Lookup::kMiss;
  VariantRef variant;
  if (const Lookup found = snapshot_.find_variant(record_, path, tag, variant); found != Lookup::kHit) return found;
  const Lookup copied = snapshot_.read_code(variant, to.sized(variant.code_bytes));
  if (variant.code_bytes >= kGiantBytes) segment_->forget_pages(variant.code_offset(), variant.code_bytes);
  return copied;
}

}  // namespace bifrost
