#include "agent/reread.hpp"

#include <utility>

#include "common/redis/contract.hpp"

namespace bifrost::agent {
namespace {

constexpr long long kNoSuchKey = -2;  // PTTL

IndexEntry index_entry(std::string_view type, const redisReply& is_member) {
  if (type == "none") return IndexEntry::kNoIndex;
  if (type != "set" || is_member.type != REDIS_REPLY_INTEGER) return IndexEntry::kUnknown;
  return is_member.integer == 1 ? IndexEntry::kListed : IndexEntry::kUnlisted;
}

}  // namespace

Reread::Reread(std::vector<PendingPath> paths, std::uint64_t max_module_bytes)
    : paths_(std::move(paths)), max_module_bytes_(max_module_bytes) {}

void Reread::send(const std::function<void(const Command&)>& send) const {
  const std::string last_byte = std::to_string(max_module_bytes_);  // inclusive: one more than the limit
  send({"MULTI"});
  send({"TYPE", contract::kIndexKey});
  for (const PendingPath& p : paths_) {
    const std::string key = contract::key_of(p.path);
    send({"PTTL", key});
    send({"GETRANGE", key, "0", last_byte});
    send({"SISMEMBER", contract::kIndexKey, p.path});
  }
  send({"EXEC"});
}

Status Reread::read(const redisReply& exec, const std::function<void(const Observation&)>& report) const {
  if (is_error(exec)) return Error{ErrorCode::kRefused, "a re-read was refused: " + std::string(text_of(exec))};
  const auto replies = elements_of(exec);
  if (replies.size() != 1 + 3 * paths_.size()) {
    return Error{ErrorCode::kRefused, "a re-read was answered by " + std::to_string(replies.size()) + " replies"};
  }
  const std::string_view index_type = text_of(*replies[0]);
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    const redisReply& ttl = *replies[1 + 3 * i];
    const redisReply& value = *replies[2 + 3 * i];
    const redisReply& is_member = *replies[3 + 3 * i];
    Observation o;
    o.path = paths_[i].path;
    o.explicitly_deleted = paths_[i].explicitly_deleted;
    o.index = index_entry(index_type, is_member);
    if (is_error(value)) {
      o.kind = Observation::Kind::kWrongType;
    } else if (ttl.type == REDIS_REPLY_INTEGER && ttl.integer == kNoSuchKey) {
      o.kind = Observation::Kind::kVanished;
    } else if (value.len > max_module_bytes_) {
      o.kind = Observation::Kind::kTooBig;
    } else {
      o.kind = Observation::Kind::kValue;
      o.value = text_of(value);
    }
    report(o);
  }
  return Done{};
}

}  // namespace bifrost::agent
