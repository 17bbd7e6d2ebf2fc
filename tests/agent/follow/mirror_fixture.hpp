// mirror_fixture.hpp - a mirror with modules of the test's, and what is marked as doubtful by whom is tested.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "agent/follow/refresh_queue.hpp"
#include "agent/mirror/mirror.hpp"
#include "common/redis/module_value.hpp"
#include "tests/common/path_of.hpp"
#include "tests/common/segment_fixture.hpp"

namespace bifrost::agent {

class MirrorFixture : public SegmentFixture {
 protected:
  MirrorFixture() {
    mirror_ = std::make_unique<Mirror>(writer(), OnExpiry::kRetain, [](ModulePathView, std::string_view) {});
  }
  void mark(ModulePathView path, RefreshQueue::Doubt doubt) { marked_.emplace(std::string(path.text()), doubt); }

  void mirror_holds(const std::string& path, Observation::Listed listed = Observation::Listed::kInIndex) {
    const std::string value = encode_module_value(path, "x = 1", "h");
    mirror_->apply({.kind = Observation::Kind::kValue, .path = path_of(path), .value = value, .listed = listed});
  }
  void vanished(const std::string& path, IndexEntry index) {
    mirror_->apply({.kind = Observation::Kind::kVanished, .path = path_of(path), .index = index});
  }
  // What it holds has expired.
  void expired(const std::string& path) { vanished(path, IndexEntry::kListed); }

  std::unique_ptr<Mirror> mirror_;
  std::map<std::string, RefreshQueue::Doubt> marked_;
};

}  // namespace bifrost::agent
