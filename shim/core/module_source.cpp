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
  if (chunk_ == nullptr) return Lookup::kMiss;
  to.resize(record_.content_bytes);
  const Lookup copied = read_content_of(*chunk_, record_, to.data());
  if (to.size() >= kGiantBytes) chunk_->mapping.forget_pages(record_.content_offset(), to.size());
  return copied;
}

Lookup ModuleSource::read_code(CodeBuffer& to) const {
  if (code_chunk_ == nullptr) return Lookup::kMiss;
  const Lookup copied = read_code_of(*code_chunk_, variant_, to.sized(variant_.code_bytes));
  if (variant_.code_bytes >= kGiantBytes) {
    code_chunk_->mapping.forget_pages(variant_.code_offset(), variant_.code_bytes);
  }
  return copied;
}

}  // namespace bifrost
