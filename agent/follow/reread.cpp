#include "agent/follow/reread.hpp"

#include <algorithm>
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
    : paths_(std::move(paths)), max_module_bytes_(max_module_bytes) {
  for (const PendingPath& p : paths_) asks_index_ |= p.with_presence;
}

std::size_t Reread::answers() const {
  std::size_t answers = asks_index_ ? 1 : 0;
  for (const PendingPath& p : paths_) answers += p.with_presence ? 3 : 1;
  return answers;
}

void Reread::send(const std::function<void(const Command&)>& send) const {
  send({"MULTI"});
  if (asks_index_) send({"TYPE", contract::kIndexKey});
  for (const PendingPath& p : paths_) {
    const std::string key = contract::key_of(p.path);
    if (p.with_presence) send({"PTTL", key});
    if (p.read == PendingPath::Read::kMeasure) {
      send({"STRLEN", key});
    } else {
      // The last byte is inclusive: one more than expected shows that there is more.
      send({"GETRANGE", key, "0", std::to_string(std::min(p.answer_bytes(), max_module_bytes_))});
    }
    if (p.with_presence) send({"SISMEMBER", contract::kIndexKey, p.path.text()});
  }
  send({"EXEC"});
}

Observation Reread::observe(const PendingPath& asked, const redisReply* ttl, const redisReply& value) const {
  Observation o{.path = asked.path};
  o.explicitly_deleted = asked.explicitly_deleted;
  if (is_error(value)) {
    o.kind = Observation::Kind::kWrongType;
    return o;
  }
  if (ttl != nullptr && ttl->type == REDIS_REPLY_INTEGER) {
    if (ttl->integer == kNoSuchKey) return o;
    if (ttl->integer >= 0) o.ttl = std::chrono::milliseconds(ttl->integer);
  } else if (asked.read == PendingPath::Read::kMeasure ? value.integer == 0 : value.len == 0) {
    o.kind = Observation::Kind::kEmpty;
    return o;
  }
  if (asked.read == PendingPath::Read::kMeasure) {
    o.size_bytes = static_cast<std::uint64_t>(value.integer);
    o.kind = o.size_bytes > max_module_bytes_ ? Observation::Kind::kTooBig : Observation::Kind::kMeasured;
  } else if (value.len > max_module_bytes_) {
    o.kind = Observation::Kind::kTooBig;
  } else if (value.len > asked.answer_bytes()) {
    o.kind = Observation::Kind::kLonger;
  } else {
    o.kind = Observation::Kind::kValue;
    o.value = text_of(value);
  }
  return o;
}

Status Reread::read(const redisReply& exec, const Report& report) const {
  if (is_error(exec)) return Error{ErrorCode::kRefused, "a re-read was refused: " + std::string(text_of(exec))};
  const auto replies = elements_of(exec);
  if (replies.size() != answers()) {
    return Error{ErrorCode::kRefused, "a re-read was answered by " + std::to_string(replies.size()) + " replies"};
  }
  const std::string_view index_type = asks_index_ ? text_of(*replies[0]) : std::string_view{};
  std::size_t next = asks_index_ ? 1 : 0;
  for (const PendingPath& asked : paths_) {
    if (asked.with_presence) {
      Observation o = observe(asked, replies[next], *replies[next + 1]);
      o.index = index_entry(index_type, *replies[next + 2]);
      report(asked, o);
      next += 3;
    } else {
      report(asked, observe(asked, nullptr, *replies[next++]));
    }
  }
  return Done{};
}

}  // namespace bifrost::agent
