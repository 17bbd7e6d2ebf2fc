// lost_snapshot_fixture.hpp - a worker beside an agent that gives up, under pressure, what an execution may still need.
#pragma once

#include <memory>
#include <string>

#include "tests/shim/shim_fixture.hpp"

namespace bifrost {

class LostSnapshotFixture : public ShimFixture {
 protected:
  void SetUp() override {
    make_writer(1 << 20);
    put("x.py", "x = 1");
    put("y.py", version_of_y(1));
    agent();
  }
  // So large that it has a chunk of its own, which is given back as soon as nobody is promised it.
  static std::string version_of_y(int version) { return "y = " + std::to_string(version) + std::string(100'000, '#'); }
  void load(const std::string& name) {
    auto found = std::make_shared<const Resolution>(top_level(name));
    ASSERT_TRUE(found->found());
    worker().loaded().add(name, LoadedModule(found));
  }
  void lose_the_snapshot() {
    const Generation pinned = worker().view()->generation();
    for (int i = 0; i < 8; ++i) publish("bulk.py", std::string(300'000, static_cast<char>('a' + i)));
    ASSERT_GT(attach()->info().oldest_generation, pinned);
  }
};

}  // namespace bifrost
