// index_walk.hpp - the slow comparison: does Redis still hold what the mirror knows, and nothing that it does not?
//
// Goes through the index page by page, and asks with EXISTS for many keys at once how many of them are there; then
// through what the mirror knows beyond the index. Where a number is not what it should be, the block is halved until
// the path is found, which is then marked. So keys that are no modules cost nothing, and a million modules a few
// thousand commands. Values are not read. Modules that are known and listed take turns, since a key that is looked up
// in a large keyspace costs Redis some cache misses (docs/design/0057): a walk asks for an eighth of them, and goes
// through the index once more for all if one of those is missing. Knows no connection: the owner sends the questions
// and hands in the answers. One thread, the mirror's.
// (X1) At most one question is under way.
// (X2) When a walk is over, every path has been marked that the index listed from its begin to its end and whose key
//      was there without being known; every known one whose turn it was, or which the index did not list, and whose key
//      was not, but for those whose value has been asked for meanwhile; and every retained one that the index had
//      ceased to list. What it lists is no more protected by the loss of an earlier one; if it lists nothing, all is.
// (X3) Every known path has its turn in one of kTurns walks in a row.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agent/follow/refresh_queue.hpp"
#include "agent/mirror/mirror.hpp"
#include "common/base/result.hpp"
#include "common/redis/redis_link.hpp"

namespace bifrost::agent {

class IndexWalk {
 public:
  static constexpr std::size_t kTurns = 8;
  using Mark = std::function<void(ModulePathView path, RefreshQueue::Doubt)>;
  // `emptied`: whether an index without members has lost them one by one, as far as is known.
  IndexWalk(Mirror& mirror, Mark mark, std::function<bool()> emptied)
      : mirror_(mirror), mark_(std::move(mark)), emptied_(std::move(emptied)) {}

  // From the start, also while a walk is running.
  void begin(BootTime now);
  bool running() const { return running_; }
  // Ends it as it is. The answer that is under way may still come.
  void stop();

  // Sends the next question through `ask`, if one is due.
  void ask_next(const std::function<void(const Command&)>& ask);
  // Errors: kRefused, when Redis did not say what was asked.
  Status on_answer(const redisReply& answer);

 private:
  // Paths whose keys are all there, or none of them is.
  struct Block {
    std::vector<ModulePath> paths;
    bool there = false;
  };
  void go_through(bool all);
  bool has_turn(ModulePathView path) const;
  Status on_page(const redisReply& page);
  void on_count(Block block, long long count);
  void add(Block block);
  void go_beyond_the_index();

  Mirror& mirror_;
  Mark mark_;
  std::function<bool()> emptied_;
  std::size_t turn_ = 0;
  bool all_ = false;     // have their turn
  bool missed_ = false;  // a key was not there
  bool running_ = false;
  bool stopped_ = false;  // while an answer was under way
  bool under_way_ = false;
  bool listed_ = false;        // the index has members
  std::uint64_t losses_ = 0;   // of the mirror, when it began
  bool beyond_index_ = false;  // its last page has been seen
  std::string cursor_;
  std::deque<Block> blocks_;  // to be asked for; the front one is, while an answer to it is under way
  bool block_asked_ = false;  // and not for a page
};

}  // namespace bifrost::agent
