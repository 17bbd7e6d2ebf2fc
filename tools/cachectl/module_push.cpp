#include "tools/cachectl/module_push.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <utility>

#include "common/redis/contract.hpp"
#include "common/redis/module_value.hpp"
#include "tools/cachectl/interruption.hpp"
#include "tools/cachectl/output.hpp"
#include "tools/cachectl/redis_access.hpp"
#include "tools/cachectl/sha256.hpp"

namespace bifrost::cachectl {
namespace {

constexpr std::size_t kMaxBatchChanges = 128;
constexpr std::size_t kMaxBatchBytes = 4u << 20;
constexpr std::chrono::seconds kLookTime(5);
constexpr std::string_view kDeploySeconds = "60";  // longer than a batch may take
constexpr std::chrono::seconds kPatience(120);     // with another push: longer than one that died holds agents up
constexpr int kLookAgainMs = 100;
constexpr std::string_view kEveryPush = "cachectl push";  // what any push writes into that key begins like this
constexpr std::chrono::seconds kIndexTime(60);            // for the whole index

Error refused(const redisReply& reply) {
  return {ErrorCode::kRefused, "Redis refused the write: " + std::string(text_of(reply))};
}

// Whether Redis has carried out all of it.
Status accepted(const std::vector<Reply>& replies) {
  for (const Reply& reply : replies) {
    if (is_error(*reply)) return refused(*reply);
    for (const redisReply* inner : elements_of(*reply)) {  // of EXEC
      if (is_error(*inner)) return refused(*inner);
    }
  }
  return Done{};
}

// No other push has this name. Whoever finds it in Redis sees which process that is.
std::string unique_name() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  std::random_device random;
  return fmt::format("{} {} pid {} {:08x}{:08x}", kEveryPush, host, ::getpid(), random(), random());
}

}  // namespace

ModulePush::ModulePush(RedisClient& redis, std::uint64_t ttl_seconds)
    : redis_(redis), ttl_(std::to_string(ttl_seconds)), name_(unique_name()) {}

Status ModulePush::write(ModulePathView path, std::string_view source) {
  const std::string hash = sha256_hex(source);
  if (hash.empty()) return Error{ErrorCode::kIo, "the cryptographic library does not provide SHA-256"};
  return queue({std::string(path.text()), contract::key_of(path), encode_module_value(path.text(), source, hash)});
}

Status ModulePush::remove(ModulePathView path) {
  return queue({std::string(path.text()), contract::key_of(path), {}});
}

Status ModulePush::queue(Change change) {
  // Only who knows of another change knows that this batch is not the last.
  const bool full = batch_.size() >= kMaxBatchChanges || batch_bytes_ + change.value.size() > kMaxBatchBytes;
  if (full && !batch_.empty()) {
    if (const Status s = send(false); !s) return s;
  }
  batch_bytes_ += change.value.size();
  batch_.push_back(std::move(change));
  return Done{};
}

Status ModulePush::finish() {
  if (batch_.empty() && !begun_) return Done{};
  return send(true);
}

Status ModulePush::send(bool last) {
  const bool together = last && !begun_;
  Status sent = together ? Status(Done{}) : hold_deploy();
  if (sent) sent = send_batch(together);
  if (sent) begun_ = !last;
  if (sent && !last) return sent;
  const Status ended = end_deploy();
  if (ended) return sent;
  const Error& error = sent ? ended.error() : sent.error();
  return Error{error.code,
               fmt::format("{}; agents wait up to {} s for the end of this deploy", error.message, kDeploySeconds)};
}

Status ModulePush::send_batch(bool together) {
  const Deadline deadline(kBatchTime);
  if (together) {
    const auto begun = redis_.command({"MULTI"}, deadline);
    if (!begun) return begun.error();
    if (is_error(**begun)) return refused(**begun);
  }
  std::vector<bifrost::Command> commands;
  commands.reserve(2 * batch_.size() + 1);
  for (const Change& c : batch_) {
    if (c.value.empty()) {
      commands.push_back({"DEL", c.key});
      commands.push_back({"SREM", contract::kIndexKey, c.path});
    } else {
      commands.push_back({"SETEX", c.key, ttl_, c.value});
      commands.push_back({"SADD", contract::kIndexKey, c.path});
    }
  }
  if (together) commands.push_back({"EXEC"});
  const auto replies = redis_.pipeline(commands, deadline);
  if (!replies) return replies.error();
  batch_.clear();
  batch_bytes_ = 0;
  return accepted(*replies);
}

Status ModulePush::hold_deploy() {
  const Deadline patience(kPatience);
  while (true) {
    const auto deploy = change_deploy({"SETEX", contract::kDeployingKey, kDeploySeconds, name_});
    if (!deploy) return deploy.error();
    holds_ = deploy->holder == Holder::kNobody || deploy->holder == Holder::kThisPush;
    if (holds_) return Done{};
    const bool waits = deploy->holder == Holder::kAnotherPush;
    if (std::exchange(said_, deploy->holder) != deploy->holder) {
      say(waits ? fmt::format("waiting for the end of another push ({})", deploy->value)
                : fmt::format("{} is set: this push is part of that deploy and leaves its end to you",
                              contract::kDeployingKey));
    }
    if (!waits) return Done{};
    if (patience.passed()) {
      return Error{ErrorCode::kTimeout,
                   fmt::format("another push ({}) has not ended within {} s: push again when it has", deploy->value,
                               kPatience.count())};
    }
    if (interrupted()) return Error{ErrorCode::kIo, "interrupted while another push was writing"};
    ::poll(nullptr, 0, kLookAgainMs);
  }
}

Status ModulePush::end_deploy() {
  if (!holds_) return Done{};
  const auto deploy = change_deploy({"DEL", contract::kDeployingKey});
  holds_ = false;
  return deploy ? Status(Done{}) : deploy.error();
}

Result<ModulePush::Deploy> ModulePush::change_deploy(const bifrost::Command& command) {
  const Deadline deadline(kLookTime);
  const bool held = holds_;
  while (true) {
    auto deploy = look_at_deploy(deadline);
    if (!deploy) return deploy;
    const bool changes = deploy->holder == Holder::kNobody || deploy->holder == Holder::kThisPush;
    std::vector<bifrost::Command> commands = {{"EXEC"}};  // ends the WATCH in any case
    if (changes) commands.insert(commands.begin(), command);
    holds_ = held || changes;  // even if the answer is lost
    const auto done = redis_.pipeline(commands, deadline);
    if (!done) return done.error();
    if (const Status s = accepted(*done); !s) {
      holds_ = held;
      static_cast<void>(redis_.command({"DISCARD"}, deadline));  // where EXEC itself was refused
      return s.error();
    }
    if (!is_nil(*done->back())) return deploy;  // nil: the key was changed in between
  }
}

Result<ModulePush::Deploy> ModulePush::look_at_deploy(const Deadline& deadline) {
  const auto looked =
      redis_.pipeline({{"WATCH", contract::kDeployingKey}, {"GET", contract::kDeployingKey}, {"MULTI"}}, deadline);
  if (!looked) return looked.error();
  const redisReply& value = *(*looked)[1];
  for (const Reply& reply : *looked) {
    if (!is_error(*reply) || is_wrong_type(*reply)) continue;
    static_cast<void>(redis_.command({"DISCARD"}, deadline));  // what comes next finds no transaction
    return refused(*reply);
  }
  Deploy deploy{Holder::kSomebodyElse, std::string(text_of(value))};
  if (is_nil(value)) {
    deploy.holder = Holder::kNobody;
  } else if (deploy.value == name_) {
    deploy.holder = Holder::kThisPush;
  } else if (deploy.value.starts_with(kEveryPush)) {
    deploy.holder = Holder::kAnotherPush;
  }
  return deploy;
}

Result<bool> ModulePush::holds(ModulePathView path, std::string_view source) {
  const std::string key = contract::key_of(path);
  const auto reply = redis_.command({"GET", key}, Deadline(kLookTime));
  if (!reply) return reply.error();
  if (is_nil(**reply) || is_wrong_type(**reply)) return false;
  if (is_error(**reply)) {
    return Error{is_no_permission(**reply) ? ErrorCode::kPermission : ErrorCode::kRefused,
                 "Redis answered: " + std::string(text_of(**reply))};
  }
  const auto value = parser_.parse(text_of(**reply));
  return value && value->content == source && value->hash == sha256_hex(source);
}

Result<std::set<ModulePath>> ModulePush::indexed_modules(std::string_view prefix) {
  const auto is_of_a_solution = [](std::string_view path) {
    return path.substr(0, path.find('/')) == contract::kSolutionsRoot;
  };
  const Deadline deadline(kIndexTime);
  std::set<ModulePath> modules;
  std::string cursor(kFirstCursor);
  do {
    const auto reply = redis_.command({"SSCAN", contract::kIndexKey, cursor, "COUNT", "1000"}, deadline);
    if (!reply) return reply.error();
    if (is_error(**reply)) {
      return Error{ErrorCode::kRefused, "the index cannot be read: " + std::string(text_of(**reply))};
    }
    const auto page = elements_of(**reply);
    if (page.size() != 2) return Error{ErrorCode::kRefused, "Redis' answer to SSCAN was not understood"};
    cursor = text_of(*page[0]);
    for (const redisReply* member : elements_of(*page[1])) {
      const std::string_view path = text_of(*member);
      if (!path.starts_with(prefix) || (is_of_a_solution(path) && !is_of_a_solution(prefix))) continue;
      if (const auto module = ModulePathView::parse(path)) modules.emplace(*module);
    }
  } while (cursor != kFirstCursor);
  return modules;
}

}  // namespace bifrost::cachectl
