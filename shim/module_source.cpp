#include "shim/module_source.hpp"

namespace bifrost {

Lookup ModuleSource::read(std::string& to) const {
  if (content_ != nullptr) {
    to = *content_;
    return Lookup::kHit;
  }
  if (segment_ == nullptr) return Lookup::kMiss;
  to.resize(record_.content_bytes);
  return snapshot_.read_content(record_, to.data());
}

Lookup ModuleSource::read_code(std::string_view path, const CodeTag& tag, CodeBuffer& to) const {
  if (segment_ == nullptr || tag.empty()) return Lookup::kMiss;
  VariantRef variant;
  if (const Lookup found = snapshot_.find_variant(record_, path, tag, variant); found != Lookup::kHit) return found;
  return snapshot_.read_code(variant, to.sized(variant.code_bytes));
}

}  // namespace bifrost
