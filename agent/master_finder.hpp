// master_finder.hpp - asks the sentinels of a URL, one after the other, which server is the master.
//
// A sentinel that does not answer costs LoopLink's patience. Belongs to the loop's thread; destroying it ends the
// search.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/event_loop.hpp"
#include "common/redis/sentinel.hpp"

namespace bifrost::agent {

class LoopLink;

class MasterFinder {
 public:
  // Calls `on_done` once, in a later turn of the loop: the URL with the master's address, or why the last one asked did
  // not say.
  using OnDone = std::function<void(Result<RedisUrl>)>;

  MasterFinder(uv_loop_t* loop, RedisUrl url, OnDone on_done);
  ~MasterFinder();
  MasterFinder(const MasterFinder&) = delete;
  MasterFinder& operator=(const MasterFinder&) = delete;

 private:
  void ask_next();
  void conclude(Result<RedisUrl> result);

  uv_loop_t* loop_;
  const RedisUrl url_;
  OnDone on_done_;
  std::vector<RedisUrl> left_;  // the next one at the end
  std::unique_ptr<LoopLink> asked_;
  Result<RedisUrl> newest_ = Error{ErrorCode::kUnreachable, "no sentinel was asked"};
  std::unique_ptr<Timer> turn_;  // a link is not destroyed in its own callback
};

}  // namespace bifrost::agent
