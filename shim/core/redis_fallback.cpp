#include "shim/core/redis_fallback.hpp"

#include <unistd.h>

#include <algorithm>

#include "common/redis/contract.hpp"
#include "common/redis/module_value.hpp"

namespace bifrost {
namespace {

Deadline no_later_than(const Deadline& deadline, std::chrono::milliseconds budget) {
  return Deadline::at(std::min(deadline.instant(), boot_now() + budget));
}

bool says_yes(const redisReply& reply) {
  return reply.type == REDIS_REPLY_INTEGER && reply.integer == 1;
}

Error refused(const Reply& reply) {
  return {ErrorCode::kRefused, "Redis answered: " + std::string(text_of(*reply))};
}

Result<FileInRedis> decode(ModulePathView path, const Reply& reply, ModuleValueParser& parser) {
  FileInRedis file;
  if (is_nil(*reply)) return file;
  file.path = ModulePath(path);
  if (is_error(*reply)) {
    if (!is_wrong_type(*reply)) return refused(reply);
    file.kind = FileInRedis::Kind::kBadValue;
    file.reason = "not a string key";
    return file;
  }
  auto value = parser.parse(text_of(*reply));
  if (!value) {
    file.kind = FileInRedis::Kind::kBadValue;
    file.reason = value.error().message;
    return file;
  }
  file.kind = FileInRedis::Kind::kSource;
  file.content = std::move(value->content);
  file.hash = std::move(value->hash);
  return file;
}

// The index before and after the values: other commands may be executed between any two of these. Listed before says
// that it was not deleted yet, listed after that it was not deleted meanwhile (writers remove the key, then the entry).
// So "no key, but listed both times" means that it had expired, or that its removal is half done.
std::vector<Command> commands_of(const RedisFallback::Question& paths, const std::vector<std::string>& keys) {
  std::vector<Command> commands = {{"EXISTS", contract::kIndexKey}};
  for (const ModulePathView path : paths) commands.push_back({"SISMEMBER", contract::kIndexKey, path.text()});
  for (const std::string& key : keys) commands.push_back({"GET", key});
  for (const ModulePathView path : paths) commands.push_back({"SISMEMBER", contract::kIndexKey, path.text()});
  return commands;
}

// `replies`: those to commands_of() the same paths.
Result<FileInRedis> answer_in(const std::vector<Reply>& replies, const RedisFallback::Question& paths) {
  bool listed = false;
  bool readable = true;  // an index that cannot be asked says as little as none
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const redisReply& before = *replies[1 + i];
    const redisReply& after = *replies[1 + 2 * paths.size() + i];
    listed = listed || (says_yes(before) && says_yes(after));
    readable = readable && !is_error(before) && !is_error(after);
  }
  ModuleValueParser parser;
  Result<FileInRedis> answer = FileInRedis{};
  for (std::size_t i = 0; i < paths.size(); ++i) {
    answer = decode(paths[i], replies[1 + paths.size() + i], parser);
    if (!answer || answer->kind != FileInRedis::Kind::kAbsent) break;
  }
  if (answer) {
    answer->listed = listed;
    answer->index_exists = readable && says_yes(*replies.front());
  }
  return answer;
}

}  // namespace

RedisFallback::RedisFallback(std::string_view url, AroundWait around_wait, ShimCounters& counters,
                             LastReads& last_reads)
    : url_(parse_redis_url(url)), around_wait_(std::move(around_wait)), counters_(counters), last_reads_(last_reads) {}

Result<FileInRedis> RedisFallback::first_of(const Question& paths) {
  return std::move(first_of_each({paths}).front());
}

std::vector<Result<FileInRedis>> RedisFallback::first_of_each(const std::vector<Question>& questions) {
  counters_.add(ShimCounter::kFallbacks, questions.size());
  std::vector<std::vector<std::string>> keys;  // commands only refer to them
  std::vector<std::vector<Command>> commands;
  for (const Question& paths : questions) {
    std::vector<std::string>& of_these = keys.emplace_back();
    for (const ModulePathView path : paths) of_these.push_back(contract::key_of(path));
  }
  for (std::size_t i = 0; i < questions.size(); ++i) commands.push_back(commands_of(questions[i], keys[i]));

  std::vector<Result<FileInRedis>> answers;
  const Status asked = ask(
      [&](RedisClient& redis, const Deadline& deadline) {
        answers.clear();
        return redis.pipelines(commands, deadline, kQuestionBudget, [&](const std::vector<Reply>& replies) {
          answers.push_back(answer_in(replies, questions[answers.size()]));
        });
      },
      Deadline(kQuestionBudget), Purpose::kRead);
  const BootTime now = boot_now();
  if (!answers.empty()) last_reads_.note(now);
  for (const Result<FileInRedis>& answer : answers) {
    if (answer && answer->kind != FileInRedis::Kind::kAbsent) last_reads_.note_value(*answer->path, now);
  }
  if (!asked) answers.push_back(asked.error());
  return answers;
}

Result<std::optional<ModulePath>> RedisFallback::first_listed(const Question& paths, const Deadline& deadline) {
  std::optional<ModulePath> first;
  const Status asked = ask(
      [&](RedisClient& redis, const Deadline& until) -> Status {
        std::vector<Command> commands;
        for (const ModulePathView path : paths) commands.push_back({"SISMEMBER", contract::kIndexKey, path.text()});
        auto replies = redis.pipeline(commands, until);
        if (!replies) return replies.error();
        for (std::size_t i = 0; i < paths.size() && !first; ++i) {
          if (says_yes(*(*replies)[i])) first = ModulePath(paths[i]);
        }
        return Done{};
      },
      deadline, Purpose::kAside);
  if (!asked) return asked.error();
  return first;
}

Result<std::shared_ptr<const PathIndex>> RedisFallback::index(std::chrono::milliseconds max_age) {
  {
    const std::lock_guard lock(mutex_);
    if (index_ != nullptr && boot_now() < index_read_ + max_age) return index_;
  }
  std::shared_ptr<const PathIndex> fresh;
  std::optional<Error> unusable;
  const Status asked = ask(
      [&](RedisClient& redis, const Deadline& deadline) -> Status {
        auto reply = redis.command({"SMEMBERS", contract::kIndexKey}, deadline);
        if (!reply) return reply.error();
        if (is_error(**reply)) {
          unusable = refused(*reply);
          return Done{};
        }
        std::vector<std::string> members;
        for (const redisReply* member : elements_of(**reply)) members.emplace_back(text_of(*member));
        fresh = std::make_shared<const PathIndex>(std::move(members));
        return Done{};
      },
      Deadline(kQuestionBudget), Purpose::kRead);
  if (!asked) return asked.error();
  if (unusable) return Error{unusable->code, "the index of modules could not be read: " + unusable->message};
  const std::lock_guard lock(mutex_);
  index_ = fresh;
  index_read_ = boot_now();
  return fresh;
}

void RedisFallback::forget_index() {
  const std::lock_guard lock(mutex_);
  index_.reset();
}

Result<std::string> RedisFallback::run_id() {
  constexpr std::string_view kField = "\nrun_id:";
  std::string id;
  const Status asked = ask(
      [&](RedisClient& redis, const Deadline& deadline) -> Status {
        auto reply = redis.command({"INFO", "server"}, deadline);
        if (!reply) return reply.error();
        const std::string_view info = is_error(**reply) ? std::string_view{} : text_of(**reply);
        if (const auto at = info.find(kField); at != std::string_view::npos) {
          const std::string_view rest = info.substr(at + kField.size());
          id = rest.substr(0, rest.find_first_of("\r\n"));
        }
        return Done{};
      },
      Deadline(kQuestionBudget), Purpose::kRead);
  if (!asked) return asked.error();
  return id;
}

Status RedisFallback::ping(const Deadline& deadline) {
  return ask(
      [](RedisClient& redis, const Deadline& until) -> Status {
        auto reply = redis.command({"PING"}, until);
        if (!reply) return reply.error();
        if (refuses_to_answer(**reply)) return refused(*reply);
        return Done{};
      },
      deadline, Purpose::kProbe);
}

void RedisFallback::let_go() {
  const std::lock_guard lock(mutex_);
  static_cast<void>(take_idle());
}

std::unique_ptr<RedisClient> RedisFallback::take_idle() {
  if (idle_ == nullptr) return nullptr;
  switch (idle_is_.state()) {
    case KeptDescriptor::State::kOurs: break;
    case KeptDescriptor::State::kTaken: idle_->abandon(); [[fallthrough]];
    // Two processes on one connection would read each other's answers.
    case KeptDescriptor::State::kCopied: idle_.reset(); break;
  }
  return std::move(idle_);
}

Status RedisFallback::ask(const Work& work, const Deadline& deadline, Purpose purpose) {
  if (!url_) return url_.error();
  std::unique_ptr<RedisClient> client;
  {
    const std::lock_guard lock(mutex_);
    if (purpose != Purpose::kProbe && !breaker_.allows(boot_now())) {
      counters_.add(ShimCounter::kBreakerRefusals);
      return Error{ErrorCode::kUnreachable, last_error_ + " (not tried again yet)"};
    }
    client = take_idle();
  }
  Status done = Done{};
  around_wait_([&] {
    if (client != nullptr) {
      done = work(*client, deadline);
      if (client->usable()) return;
      // The server may have closed an idle connection meanwhile. A time-out, however, is an answer.
      if (!done && done.error().code == ErrorCode::kTimeout) return;
      client.reset();
    }
    auto connected = RedisClient::connect(*url_, no_later_than(deadline, kConnectBudget));
    if (!connected) {
      done = connected.error();
      return;
    }
    client = std::make_unique<RedisClient>(std::move(*connected));
    done = work(*client, deadline);
  });
  const BootTime now = boot_now();
  const std::lock_guard lock(mutex_);
  if (!done) {
    counters_.add(ShimCounter::kRedisErrors);
    breaker_.failed(now);
    last_error_ = done.error().message;
    return done;
  }
  breaker_.succeeded();
  if (purpose == Purpose::kRead) last_reads_.note(now);
  // Whoever explains a failure leaves no connection behind.
  const bool keep = purpose != Purpose::kAside && idle_ == nullptr;
  if (keep && client != nullptr && client->usable()) {
    idle_is_ = client->kept();
    idle_ = std::move(client);
  }
  return done;
}

}  // namespace bifrost
