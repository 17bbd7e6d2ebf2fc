#include "tools/cachectl/module_push.hpp"

#include <chrono>
#include <utility>

#include "common/redis/contract.hpp"
#include "common/redis/module_value.hpp"
#include "tools/cachectl/redis_access.hpp"
#include "tools/cachectl/sha256.hpp"

namespace bifrost::cachectl {
namespace {

constexpr std::size_t kMaxBatchChanges = 128;
constexpr std::size_t kMaxBatchBytes = 4u << 20;
constexpr std::chrono::seconds kLookTime(5);
constexpr std::string_view kDeploySeconds = "60";  // longer than a batch may take
constexpr std::chrono::seconds kIndexTime(60);     // for the whole index

Error refused(const redisReply& reply) {
  return {ErrorCode::kRefused, "Redis refused the write: " + std::string(text_of(reply))};
}

}  // namespace

Status ModulePush::write(ModulePathView path, std::string_view source) {
  const std::string hash = sha256_hex(source);
  if (hash.empty()) return Error{ErrorCode::kIo, "the cryptographic library does not provide SHA-256"};
  return queue({std::string(path.text()), contract::key_of(path), encode_module_value(path.text(), source, hash)});
}

Status ModulePush::remove(ModulePathView path) {
  return queue({std::string(path.text()), contract::key_of(path), {}});
}

Status ModulePush::queue(Change change) {
  batch_bytes_ += change.value.size();
  batch_.push_back(std::move(change));
  if (batch_.size() < kMaxBatchChanges && batch_bytes_ < kMaxBatchBytes) return Done{};
  return send(false);
}

Status ModulePush::finish() {
  if (batch_.empty() && !deploying_) return Done{};
  return send(true);
}

Status ModulePush::send(bool last) {
  const bool together = last && !deploying_;
  std::vector<bifrost::Command> commands;
  commands.reserve(2 * batch_.size() + 2);
  if (together) commands.push_back({"MULTI"});
  if (!last) commands.push_back({"SETEX", contract::kDeployingKey, kDeploySeconds, "cachectl push"});
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
  if (last && deploying_) commands.push_back({"DEL", contract::kDeployingKey});
  auto replies = redis_.pipeline(commands, Deadline(kBatchTime));
  if (!replies) return replies.error();
  for (const Reply& reply : *replies) {
    if (is_error(*reply)) return refused(*reply);
    for (const redisReply* inner : elements_of(*reply)) {  // of EXEC
      if (is_error(*inner)) return refused(*inner);
    }
  }
  deploying_ = !last;
  batch_.clear();
  batch_bytes_ = 0;
  return Done{};
}

Result<bool> ModulePush::holds(ModulePathView path, std::string_view source) {
  const std::string key = contract::key_of(path);
  const auto reply = redis_.command({"GET", key}, Deadline(kLookTime));
  if (!reply) return reply.error();
  if (is_error(**reply)) return Error{ErrorCode::kRefused, std::string(text_of(**reply))};
  if ((*reply)->type == REDIS_REPLY_NIL) return false;
  const auto value = parser_.parse(text_of(**reply));
  return value && value->content == source && value->hash == sha256_hex(source);
}

Result<std::set<ModulePath>> ModulePush::indexed_modules() {
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
      const std::string_view first = path.substr(0, path.find('/'));
      if (first == contract::kSolutionsRoot) continue;
      if (const auto module = ModulePathView::parse(path)) modules.emplace(*module);
    }
  } while (cursor != kFirstCursor);
  return modules;
}

}  // namespace bifrost::cachectl
