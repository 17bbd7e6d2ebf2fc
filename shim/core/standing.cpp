#include "shim/core/standing.hpp"

#include <utility>

namespace bifrost {

bool speaks_for_itself(const View& view) {
  return view.authority == Authority::kMirror && view.segment != nullptr && view.complete;
}

Standing::Standing(const View& view, std::uint64_t version, std::vector<SlotWitness> witnessed)
    : segment_(view.segment), generation_(view.generation()), version_(version), witnessed_(std::move(witnessed)) {}

bool Standing::holds_in(const View& view, std::uint64_t version) const {
  if (segment_ == nullptr || version != version_ || !speaks_for_itself(view)) return false;
  // The segment that is held keeps its file from being another's with the same number.
  if (!(view.segment->identity() == segment_->identity()) || view.generation() < generation_) return false;
  if (view.generation() == generation_) return true;
  return still_as_witnessed(view.segment->memory(), witnessed_);
}

}  // namespace bifrost
