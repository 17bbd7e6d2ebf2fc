// shim_fixture.hpp - a worker's surroundings, made of a real segment, a fake Redis and a fake agent.
#pragma once

#include <memory>
#include <string>

#include "common/base/segment_dir.hpp"
#include "shim/core/process_state.hpp"
#include "tests/common/segment_fixture.hpp"
#include "tests/shim/fake_redis.hpp"

namespace bifrost {

// Answers fences: brings the segment in sync, as the agent would after its own PING to Redis.
class FakeAgent : public LineServer {
 public:
  enum class Manner { kAnswers, kHangs, kRefuses, kSyncsNothing };

  FakeAgent(const std::string& dir, SegmentWriter& writer) : writer_(writer) {
    start(path_in(dir, kControlSocketName));
  }
  ~FakeAgent() override { stop(); }
  void behave(Manner manner) { manner_ = manner; }

 protected:
  std::string answer(std::string& input) override {
    if (input.find('\n') == std::string::npos) return {};
    input.clear();
    const BootTime now = boot_now();
    switch (manner_.load()) {
      case Manner::kHangs: return {};
      case Manner::kRefuses: return "error Redis cannot be reached\n";
      case Manner::kAnswers: writer_.publish_sync(now, now + std::chrono::seconds(60)); break;
      case Manner::kSyncsNothing: break;
    }
    return "ok generation=" + std::to_string(writer_.generation().value) +
           " synced_through_ns=" + std::to_string(now.ns) + "\n";
  }

 private:
  SegmentWriter& writer_;
  std::atomic<Manner> manner_{Manner::kAnswers};
};

class ShimFixture : public SegmentFixture {
 protected:
  // A worker process that has installed the hook.
  ProcessState& worker() {
    if (state_) return *state_;
    Settings::Flags flags = {{Setting::kSegmentDir, dir_},
                             {Setting::kRedisUrl, redis_ ? redis_->url() : "unix://" + dir_ + "/nobody.sock"},
                             {Setting::kWorkspace, "/ws"},
                             {Setting::kPrecedence, "workspace"},
                             {Setting::kOnStale, on_stale_},
                             {Setting::kAgentUid, ""}};
    const auto settings = Settings::resolve(flags);
    auto state = ProcessState::create(*settings, wait_plainly, std::make_shared<LoadedModules>(), last_reads_);
    EXPECT_TRUE(state) << state.error().message;
    state_ = std::move(*state);
    return *state_;
  }
  // The process installs its hook anew, and has loaded nothing.
  void install_anew() {
    state_.reset();
    worker();
  }

  FakeRedis& redis() {
    if (!redis_) redis_ = std::make_unique<FakeRedis>(dir_);
    return *redis_;
  }
  void stop_redis() { redis_.reset(); }

  // The fallback alone, without a worker around it.
  RedisFallback& fallback() {
    if (!fallback_) fallback_ = std::make_unique<RedisFallback>(redis().url(), wait_plainly, counters_, *last_reads_);
    return *fallback_;
  }

  // Has published a complete segment, holds a valid lease and answers fences.
  FakeAgent& agent() {
    if (agent_) return *agent_;
    say_complete(true);
    give_lease();
    commit();
    agent_ = std::make_unique<FakeAgent>(dir_, writer());
    return *agent_;
  }
  void stop_agent() {
    agent_.reset();
    std::filesystem::remove(path_in(dir_, kControlSocketName));
  }
  void give_lease() { hold_back_since({}); }
  // A lease beside which a deploy holds back what was written since; {}: nothing.
  void hold_back_since(BootTime begun) {
    writer().publish_sync(boot_now(), boot_now() + std::chrono::seconds(60), begun);
  }
  void say_complete(bool complete) { writer().show_complete(complete); }

  Authority begin(Scope scope = {}) { return worker().begin({std::move(scope)}).view->authority; }

  // What `name` means to the worker, in a few words: its source, "<namespace>", or why there is none.
  std::string import(const std::string& name) {
    const auto slash = name.rfind('/');
    if (slash == std::string::npos) return shown(top_level(name));
    const std::string directory = name.substr(0, slash);
    return shown(worker().resolve(std::span(&directory, 1), name.substr(slash + 1), Asking::kNobody));
  }

  Resolution top_level(std::string_view name) {
    return worker().resolve(worker().scope().roots(), name, Asking::kNobody);
  }

  // A module's source, as this worker would compile it.
  std::string text(const Resolution& r) { return worker().content_of(r).value_or("<gone>"); }

  std::string shown(const Resolution& r) {
    switch (r.kind) {
      case Resolution::Kind::kModule:
      case Resolution::Kind::kPackage: return text(r);
      case Resolution::Kind::kNamespace: return "<namespace>";
      case Resolution::Kind::kNotFound: return "<not found>";
      case Resolution::Kind::kUnknown: return "<unknown>";
      case Resolution::Kind::kRefused: return "<refused>";
      case Resolution::Kind::kUnsettled: return "<unsettled>";
      case Resolution::Kind::kSnapshotLost: return "<lost>";
    }
    return "<?>";
  }

  // Of the present execution.
  bool intact() { return worker().view()->execution->intact(); }

  std::uint64_t count(ShimCounter c) { return worker().counters().get(c); }

  std::string on_stale_ = "serve";
  std::unique_ptr<FakeRedis> redis_;
  std::unique_ptr<FakeAgent> agent_;
  std::unique_ptr<ProcessState> state_;
  ShimCounters counters_;
  const std::shared_ptr<LastReads> last_reads_ = std::make_shared<LastReads>();
  std::unique_ptr<RedisFallback> fallback_;
};

}  // namespace bifrost
