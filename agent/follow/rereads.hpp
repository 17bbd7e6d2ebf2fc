// rereads.hpp - puts the batches of a chase to Redis, and hands on what they say where they stand in the stream.
//
// The answers of a marked batch wait for its mark, and its mark for its answers: so they are applied after every
// message about what they show, and before every later one. chase.hpp decides what is asked. Belongs to the loop's
// thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/follow/chase.hpp"
#include "agent/follow/data_connection.hpp"
#include "agent/follow/reread.hpp"
#include "agent/mirror/observation.hpp"
#include "common/base/clock.hpp"

namespace bifrost::agent {

class Rereads {
 public:
  struct Options {
    std::uint64_t max_module_bytes = 0;
    bool with_time_to_live = false;
    std::string mark_channel;
  };
  struct Callbacks {
    std::function<void(const Observation& seen, const PendingPath& asked, BootTime sent)> on_seen;
    std::function<bool(ModulePathView path, IndexEntry entry)> on_entry;  // as Reread::Report has it
    std::function<void(bool exists)> on_deploying;
    std::function<void(bool once_more)> on_applied;   // a whole batch; it might have been the last and was not
    std::function<void(std::string why)> on_refused;  // Redis did not carry out a part of one; at most once
  };

  Rereads(DataConnection& data, Options options, Callbacks callbacks)
      : data_(data), options_(std::move(options)), callbacks_(std::move(callbacks)) {}

  Chase& chase() { return chase_; }
  const Chase& chase() const { return chase_; }

  // Sends what is to be read now.
  void go_on(Chase::Manner manner, bool staged, StreamPosition at);
  // A mark has arrived on the stream, as message `at`.
  void on_mark(std::uint64_t number, StreamPosition at);

  // How long a mark has been due while its answers are here.
  std::chrono::nanoseconds mark_overdue(BootTime now) const;

 private:
  using Asked = std::shared_ptr<Reread>;
  void send(Chase::Batch batch);
  void on_answer(const Asked& asked, BootTime sent, Reply reply, const std::string& queue_error);
  void apply(Reread& asked, BootTime sent, const redisReply& reply, const std::string& queue_error);

  DataConnection& data_;
  Options options_;
  Callbacks callbacks_;
  Chase chase_;
  Asked marked_;          // under way, or its answers are held
  bool refused_ = false;  // an answer says that Redis is of no use: nothing further counts
  struct Held {
    Reply reply;
    BootTime sent;
    BootTime since;
    std::string queue_error;
  };
  std::optional<Held> held_;
};

}  // namespace bifrost::agent
