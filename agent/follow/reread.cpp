#include "agent/follow/reread.hpp"

#include <algorithm>
#include <utility>

#include "common/redis/contract.hpp"

namespace bifrost::agent {
namespace {

constexpr long long kNoSuchKey = -2;              // PTTL
constexpr std::size_t kEntriesPerCommand = 2000;  // SMISMEMBER

bool asks_entry(const PendingPath& asked) {
  return asked.read == PendingPath::Read::kEntry;
}

IndexEntry index_entry(std::string_view type, const redisReply& is_member) {
  if (type == "none") return IndexEntry::kNoIndex;
  if (type != "set" || is_member.type != REDIS_REPLY_INTEGER) return IndexEntry::kUnknown;
  return is_member.integer == 1 ? IndexEntry::kListed : IndexEntry::kUnlisted;
}

// Only the type of a key says something about that key. NOPERM, OOM, LOADING, MOVED, READONLY, TRYAGAIN and whatever
// else Redis may say are about the server.
Status carried_out(std::span<const redisReply* const> replies) {
  for (const redisReply* reply : replies) {
    if (is_error(*reply) && !is_wrong_type(*reply)) {
      return Error{ErrorCode::kRefused, std::string(text_of(*reply))};
    }
  }
  return Done{};
}

Observation observation(const PendingPath& asked, Observation::Kind kind) {
  return {.kind = kind, .path = asked.path, .explicitly_deleted = asked.told == PendingPath::Told::kDeletion};
}

// There is no value or an empty one: is there a key?
PendingPath with_presence(PendingPath asked) {
  asked.read = PendingPath::Read::kSmall;
  asked.with_presence = true;
  return asked;
}

// It is longer than was asked for: how long?
PendingPath measured(PendingPath asked) {
  asked.read = PendingPath::Read::kMeasure;
  return asked;
}

PendingPath by_size(PendingPath asked, std::uint64_t size_bytes) {
  asked.read = PendingPath::Read::kSized;
  asked.size_bytes = size_bytes;
  return asked;
}

}  // namespace

Reread::Reread(std::vector<PendingPath> paths, std::uint64_t max_module_bytes, std::optional<Mark> mark)
    : paths_(std::move(paths)), max_module_bytes_(max_module_bytes), mark_(std::move(mark)) {
  for (const PendingPath& p : paths_) {
    asks_index_ |= p.with_presence || asks_entry(p);
    if (asks_entry(p)) entries_.push_back(&p);
  }
}

std::size_t Reread::answers() const {
  std::size_t answers = (asks_index_ ? 1 : 0) + (mark_ ? 1 : 0);
  for (const PendingPath& p : paths_) answers += asks_entry(p) ? 0 : p.with_presence ? 3 : 1;
  ++answers;  // the deploy's key
  return answers + (entries_.size() + kEntriesPerCommand - 1) / kEntriesPerCommand;
}

void Reread::send(const std::function<void(const Command&)>& send) const {
  if (transaction()) send({"MULTI"});
  send({"PTTL", contract::kDeployingKey});
  if (asks_index_) send({"TYPE", contract::kIndexKey});
  for (const PendingPath& p : paths_) {
    if (asks_entry(p)) continue;
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
  send_entries(send);
  if (mark_) send({"PUBLISH", mark_->channel, std::to_string(mark_->number)});
  if (transaction()) send({"EXEC"});
}

void Reread::send_entries(const std::function<void(const Command&)>& send) const {
  for (std::size_t begin = 0; begin < entries_.size(); begin += kEntriesPerCommand) {
    Command command{"SMISMEMBER", contract::kIndexKey};
    const std::size_t end = std::min(entries_.size(), begin + kEntriesPerCommand);
    for (std::size_t i = begin; i < end; ++i) command.push_back(entries_[i]->path.text());
    send(command);
  }
}

Reread::Answer Reread::answer(const PendingPath& asked, const redisReply* ttl, const redisReply& value) const {
  if (is_error(value)) return observation(asked, Observation::Kind::kWrongType);
  const bool presence_known = ttl != nullptr && ttl->type == REDIS_REPLY_INTEGER;
  if (presence_known) {
    if (ttl->integer == kNoSuchKey) return observation(asked, Observation::Kind::kVanished);
  } else if (asked.read == PendingPath::Read::kMeasure ? value.integer == 0 : value.len == 0) {
    return with_presence(asked);
  }
  Answer answer = answer_by_value(asked, value);
  if (auto* const seen = std::get_if<Observation>(&answer); seen != nullptr && presence_known && ttl->integer >= 0) {
    seen->ttl = std::chrono::milliseconds(ttl->integer);
  }
  return answer;
}

// Of a key that exists, or has a value and so exists.
Reread::Answer Reread::answer_by_value(const PendingPath& asked, const redisReply& value) const {
  if (asked.read == PendingPath::Read::kMeasure) {
    const auto size_bytes = static_cast<std::uint64_t>(value.integer);
    if (size_bytes > max_module_bytes_) return observation(asked, Observation::Kind::kTooBig);
    return by_size(asked, size_bytes);
  }
  if (value.len > max_module_bytes_) return observation(asked, Observation::Kind::kTooBig);
  if (value.len > asked.answer_bytes()) return measured(asked);
  Observation seen = observation(asked, Observation::Kind::kValue);
  seen.value = text_of(value);
  return seen;
}

Status Reread::read(const redisReply& reply, const Report& report) {
  const redisReply* const one = &reply;
  Answers now(&one, 1);
  if (transaction()) {
    if (is_error(reply)) return Error{ErrorCode::kRefused, std::string(text_of(reply))};
    now = elements_of(reply);
    if (now.size() != answers()) {
      return Error{ErrorCode::kRefused, "a re-read was answered by " + std::to_string(now.size()) + " replies"};
    }
  }
  if (const Status s = carried_out(now); !s) return s;
  read_answers(now, report);
  return Done{};
}

// All answers, or one of them.
void Reread::read_answers(Answers answers, const Report& report) {
  std::size_t next = 0;
  if (!std::exchange(begun_, true)) {
    const redisReply& deploying = *answers[next++];
    report.on_deploying(deploying.type == REDIS_REPLY_INTEGER && deploying.integer != kNoSuchKey);
  }
  const std::string_view index_type = asks_index_ ? text_of(*answers[next++]) : std::string_view{};
  for (; next_path_ < paths_.size() && next < answers.size(); ++next_path_) {
    const PendingPath& asked = paths_[next_path_];
    if (asks_entry(asked)) continue;
    const redisReply* const ttl = asked.with_presence ? answers[next++] : nullptr;
    Answer about = answer(asked, ttl, *answers[next++]);
    const redisReply* const is_member = asked.with_presence ? answers[next++] : nullptr;
    if (auto* const again = std::get_if<PendingPath>(&about)) {
      report.on_ask_again(std::move(*again));
      continue;
    }
    auto& seen = std::get<Observation>(about);
    if (is_member != nullptr) seen.index = index_entry(index_type, *is_member);
    report.on_seen(seen, asked);
  }
  if (!entries_.empty()) read_entries(index_type, answers.subspan(next), report);
}

void Reread::read_entries(std::string_view index_type, Answers blocks, const Report& report) const {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const auto members = elements_of(*blocks[i / kEntriesPerCommand]);
    const std::size_t at = i % kEntriesPerCommand;
    const IndexEntry entry = at < members.size() ? index_entry(index_type, *members[at]) : IndexEntry::kUnknown;
    if (report.on_entry(entries_[i]->path, entry)) report.on_ask_again(with_presence(*entries_[i]));
  }
}

}  // namespace bifrost::agent
