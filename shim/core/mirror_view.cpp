#include "shim/core/mirror_view.hpp"

#include <utility>

namespace bifrost {

std::shared_ptr<const Segment> MirrorView::segment() {
  const std::lock_guard lock(mutex_);
  if (segment_ != nullptr && segment_->retired()) attach();
  return segment_;
}

std::shared_ptr<const Segment> MirrorView::newest_segment() {
  const std::lock_guard lock(mutex_);
  if (segment_ == nullptr || segment_->retired() || published_identity(dir_) != segment_->identity()) attach();
  // A process that lives long must not collect chunks that nobody reads any more.
  if (segment_ != nullptr && segment_->has_gone()) segment_ = segment_->without_gone();
  return segment_;
}

View MirrorView::at_newest(View view) {
  if (auto segment = newest_segment()) {
    view.leased = segment->lease_valid(boot_now());
    view.look_at(std::move(segment));
  }
  return view;
}

std::string MirrorView::attach_error() {
  const std::lock_guard lock(mutex_);
  return attach_error_;
}

void MirrorView::attach() {
  auto attached = Segment::attach(dir_, trust_, segment_.get());
  if (!attached) {
    // A directory without a segment is a node without an agent, which is no error.
    if (attached.error().code != ErrorCode::kNotFound) counters_.add(ShimCounter::kAttachErrors);
    attach_error_ = attached.error().message;
    return;
  }
  attach_error_.clear();
  if (segment_ != nullptr && segment_->identity() == (*attached)->identity()) return;
  counters_.add(ShimCounter::kAttaches);
  segment_ = std::move(*attached);
}

}  // namespace bifrost
