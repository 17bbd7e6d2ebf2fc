#include "agent/follow/rereads.hpp"

#include <utility>

namespace bifrost::agent {

void Rereads::go_on(Chase::Manner manner, bool staged, StreamPosition at) {
  while (auto batch = chase_.next(manner, staged, at)) send(std::move(*batch));
}

void Rereads::send(Chase::Batch batch) {
  if (options_.with_time_to_live) {
    for (PendingPath& p : batch.paths) p.with_presence = true;
  }
  std::optional<Reread::Mark> mark;
  if (batch.mark) mark = {options_.mark_channel, *batch.mark};
  const auto asked = std::make_shared<Reread>(std::move(batch.paths), options_.max_module_bytes, std::move(mark));
  asked->send([this](const Command& command) { data_.send(command); });
  data_.expect(asked->skipped_replies(), asked->replies(),
               [this, asked, sent = boot_now()](Reply reply, const std::string& error) {
                 on_answer(asked, sent, std::move(reply), error);
               });
  if (asked->marked()) marked_ = asked;
}

void Rereads::on_answer(const Asked& asked, BootTime sent, Reply reply, const std::string& queue_error) {
  if (refused_) return;
  if (asked->marked() && chase_.awaits_mark() && !is_error(*reply)) {
    held_ = Held{std::move(reply), sent, boot_now(), queue_error};
    return;
  }
  apply(*asked, sent, *reply, queue_error);
}

void Rereads::on_mark(std::uint64_t number, StreamPosition at) {
  if (!marked_ || !chase_.mark_arrived(number, at, marked_->paths()) || !held_) return;
  const Held held = *std::exchange(held_, std::nullopt);
  const Asked asked = marked_;
  apply(*asked, held.sent, *held.reply, held.queue_error);
}

void Rereads::apply(Reread& asked, BootTime sent, const redisReply& reply, const std::string& queue_error) {
  const Status read = asked.read(reply, {[&](const Observation& seen, const PendingPath& path) {
                                           chase_.queue().expect_size(seen.path, seen.value.size());
                                           callbacks_.on_seen(seen, path, sent);
                                         },
                                         [&](PendingPath again) { chase_.queue().read_again(std::move(again)); },
                                         callbacks_.on_entry, callbacks_.on_deploying});
  if (!read) {
    refused_ = true;
    return callbacks_.on_refused(queue_error.empty() ? read.error().message : queue_error);
  }
  if (!asked.complete()) return;
  if (asked.marked()) marked_.reset();
  callbacks_.on_applied(chase_.finish_oldest());
}

std::chrono::nanoseconds Rereads::mark_overdue(BootTime now) const {
  return held_ ? now.since(held_->since) : std::chrono::nanoseconds(0);
}

}  // namespace bifrost::agent
