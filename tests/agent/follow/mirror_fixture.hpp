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

  void mirror_holds(const std::string& path) {
    const std::string value = encode_module_value(path, "x = 1", "h");
    mirror_->apply({Observation::Kind::kValue, path_of(path), value, IndexEntry::kListed, false, {}});
  }
  // What it holds has expired.
  void expired(const std::string& path) {
    mirror_->apply({Observation::Kind::kVanished, path_of(path), {}, IndexEntry::kListed, false, {}});
  }

  std::unique_ptr<Mirror> mirror_;
  std::map<std::string, RefreshQueue::Doubt> marked_;
};

}  // namespace bifrost::agent
