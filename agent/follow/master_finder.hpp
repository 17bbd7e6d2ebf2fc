// master_finder.hpp - asks the sentinels of a URL, one after the other, which server is the master.
//
// A sentinel that does not answer costs 5 s. Belongs to the loop's thread; destroying it ends the search.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/loop/event_loop.hpp"
#include "agent/loop/link.hpp"
#include "common/redis/sentinel.hpp"

namespace bifrost::agent {

class MasterFinder {
 public:
  // How a link finds the server of `url`: nothing where the URL names it, and a MasterFinder where it names sentinels.
  static LoopLink::FindServer for_url(uv_loop_t* loop, const RedisUrl& url);

  // Calls `on_found` once, in a later turn of the loop: the URL with the master's address, or why the last one asked
  // did not say.
  MasterFinder(uv_loop_t* loop, RedisUrl url, LoopLink::OnFound on_found);
  ~MasterFinder();
  MasterFinder(const MasterFinder&) = delete;
  MasterFinder& operator=(const MasterFinder&) = delete;

 private:
  void ask_next();
  void conclude(Result<RedisUrl> result);

  uv_loop_t* loop_;
  const RedisUrl url_;
  LoopLink::OnFound on_found_;
  std::vector<RedisUrl> left_;  // the next one at the end
  std::unique_ptr<LoopLink> asked_;
  Result<RedisUrl> newest_ = Error{ErrorCode::kUnreachable, "no sentinel was asked"};
  std::unique_ptr<Timer> turn_;  // a link is not destroyed in its own callback
  std::unique_ptr<Timer> patience_;
};

}  // namespace bifrost::agent
