// reread.hpp - one batch of re-reads: its commands, and what their answers say about each path.
//
// Per path GETRANGE up to one byte past what is expected (its value, and never more memory than planned; GET would take
// whatever is there) or STRLEN. A value says that the key exists. Where there is none, or may be none, PTTL (does the
// key exist?) and SISMEMBER of the index are asked as well, and TYPE of the index once: in one MULTI, so that value
// and index entry are of one instant. A batch with a mark is a MULTI too: all of its values are of one instant then.
// Any other is plain commands, each of which is answered once, and whose answers are read as they come.
// Of many paths that may have been taken out of the index, SMISMEMBER asks at once. Pure: no connection. One thread.
// (R1) Each path of a batch is reported once: as an observation, or as the question that is still needed.
// (R2) Three questions are enough for a value that does not grow meanwhile: small, measured, by its size.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/follow/refresh_queue.hpp"
#include "agent/mirror/observation.hpp"
#include "common/base/result.hpp"
#include "common/redis/redis_link.hpp"

namespace bifrost::agent {

class Reread {
 public:
  // The mark of a transaction: PUBLISH as its last command.
  struct Mark {
    std::string channel;
    std::uint64_t number = 0;
  };
  Reread(std::vector<PendingPath> paths, std::uint64_t max_module_bytes, std::optional<Mark> mark = std::nullopt);

  // Sends the commands through `send`. Of the replies, skipped_replies() say nothing and `replies()` are for read().
  void send(const std::function<void(const Command&)>& send) const;
  std::size_t skipped_replies() const { return transaction() ? 1 + answers() : 0; }
  std::size_t replies() const { return transaction() ? 1 : answers(); }

  struct Report {
    std::function<void(const Observation& seen, const PendingPath& asked)> on_seen;
    std::function<void(PendingPath again)> on_ask_again;  // what was asked does not tell: ask like this
    // Of a path of which only this was asked. Returns whether its key must be looked at as well.
    std::function<bool(ModulePathView path, IndexEntry entry)> on_entry;
    std::function<void(bool exists)> on_deploying;  // the key of a deploy that is going on; first
  };
  // Reports what the next reply says, in the order of the paths. Errors: kRefused, when Redis did not execute the
  // batch, or refused a part of it for another reason than the type of a key: that reply has reported nothing then.
  Status read(const redisReply& reply, const Report& report);
  bool complete() const { return begun_ && next_path_ == paths_.size(); }

  // What is known of a path may grow until the answers are read; what was asked may not.
  std::span<PendingPath> paths() { return paths_; }
  bool marked() const { return mark_.has_value(); }

 private:
  using Answers = std::span<const redisReply* const>;
  bool transaction() const { return asks_index_ || mark_.has_value(); }
  std::size_t answers() const;  // that an EXEC holds, or that come one by one
  void send_entries(const std::function<void(const Command&)>& send) const;
  void read_answers(Answers answers, const Report& report);
  void read_entries(std::string_view index_type, Answers blocks, const Report& report) const;
  using Answer = std::variant<Observation, PendingPath>;
  Answer answer(const PendingPath& asked, const redisReply* ttl, const redisReply& value) const;
  Answer answer_by_value(const PendingPath& asked, const redisReply& value) const;

  std::vector<PendingPath> paths_;
  std::uint64_t max_module_bytes_;
  std::optional<Mark> mark_;
  bool asks_index_ = false;
  bool begun_ = false;                       // an answer has been read
  std::size_t next_path_ = 0;                // whose answer is the next to be read
  std::vector<const PendingPath*> entries_;  // into paths_: those of which only the index entry is asked
};

}  // namespace bifrost::agent
