// What doctor says about Redis: reachable, suitable, and willing to do what the agent needs.
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

#include "common/redis/contract.hpp"
#include "tools/cachectl/doctor.hpp"
#include "tools/cachectl/redis_access.hpp"

namespace bifrost::cachectl {
namespace {

using Grade = Diagnosis::Grade;

constexpr std::chrono::seconds kAnswerTime(5);
constexpr char kPart[] = "redis";

std::string field_of(std::string_view info, std::string_view name) {
  const std::string needle = "\n" + std::string(name) + ":";
  const auto at = info.find(needle);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = info.substr(at + needle.size());
  return std::string(rest.substr(0, rest.find_first_of("\r\n")));
}

class RedisExam {
 public:
  RedisExam(RedisClient& redis, unsigned db, Diagnoses& out) : redis_(redis), db_(db), out_(out) {}

  void run() {
    examine_server();
    examine_notifications();
    examine_rights();
  }

 private:
  void say(Grade grade, std::string what, std::string advice = "") {
    out_.push_back({grade, kPart, std::move(what), std::move(advice)});
  }

  void examine_server() {
    const auto reply = redis_.command({"INFO"}, Deadline(kAnswerTime));
    if (!reply) return say(Grade::kBad, reply.error().message, "check that Redis answers: redis-cli ping");
    if (is_error(**reply)) {
      return say(Grade::kNote, "INFO is not allowed: version and role are not known", "ACL SETUSER ... +info");
    }
    const std::string_view info = text_of(**reply);
    const std::string version = field_of(info, "redis_version");
    int major = 0;
    int minor = 0;
    const bool old =
        std::sscanf(version.c_str(), "%d.%d", &major, &minor) == 2 && (major < 6 || (major == 6 && minor < 2));
    if (old) say(Grade::kBad, "version " + version + " is too old", "upgrade Redis to 6.2 or newer");
    if (!old) say(Grade::kGood, "version " + version);
    if (field_of(info, "cluster_enabled") == "1") {
      say(Grade::kBad, "this is a node of a Redis Cluster, which is not supported", "set redis_url to a single master");
    }
    if (field_of(info, "role") == "slave") {
      const bool up = field_of(info, "master_link_status") == "up";
      say(up ? Grade::kNote : Grade::kBad,
          up ? "this is a replica: changes arrive when the master has sent them"
             : "this is a replica that has lost its master",
          "set redis_url to the master for read-your-writes");
    }
    const std::string policy = field_of(info, "maxmemory_policy");
    if (field_of(info, "maxmemory") != "0" && !policy.empty() && policy != "noeviction") {
      say(Grade::kNote, "maxmemory-policy is " + policy + ": modules may be evicted from Redis",
          "CONFIG SET maxmemory-policy noeviction, or give the modules a Redis of their own");
    }
  }

  void examine_notifications() {
    const auto reply = redis_.command({"CONFIG", "GET", "notify-keyspace-events"}, Deadline(kAnswerTime));
    if (!reply) return;  // said before
    const auto pair = elements_of(**reply);
    if (pair.size() != 2) {
      return say(Grade::kNote, "CONFIG GET is not allowed: the agent works by client tracking alone",
                 "set notify-keyspace-events KA in redis.conf and allow +config|get, if both signals are wanted");
    }
    const std::string flags(text_of(*pair[1]));
    if (flags.find('K') != std::string::npos && flags.find('A') != std::string::npos) {
      return say(Grade::kGood, "notify-keyspace-events is " + flags);
    }
    say(Grade::kNote, "notify-keyspace-events is '" + flags + "'; the agent adds what it needs where it may",
        "CONFIG SET notify-keyspace-events KA");
  }

  void examine_rights() {
    const std::string key = contract::key_of("doctor.py");
    const std::string index(contract::kIndexKey);
    refused_.clear();
    may({"SCAN", "0", "MATCH", std::string(contract::kPrefix) + "*", "COUNT", "1"}, "+scan");
    may({"TYPE", index}, "+type");
    may({"PTTL", key}, "+pttl");
    may({"GETRANGE", key, "0", "0"}, "+getrange");
    may({"SISMEMBER", index, "doctor.py"}, "+sismember");
    may({"MULTI"}, "+multi");
    may({"EXEC"}, "+exec");
    const auto id = redis_.command({"CLIENT", "ID"}, Deadline(kAnswerTime));
    bool tracking = false;
    if (id && (*id)->type == REDIS_REPLY_INTEGER) {
      tracking = may({"CLIENT", "TRACKING", "ON", "REDIRECT", std::to_string((*id)->integer), "BCAST", "PREFIX",
                      std::string(contract::kPrefix)},
                     "+client|id +client|tracking") &&
                 may({"SUBSCRIBE", "__redis__:invalidate"}, "+subscribe &__redis__:invalidate");
    } else {
      refused_ += " +client|id +client|tracking";
    }
    // The connection is subscribed from here on, and ends with this examination.
    const std::string channel = "__keyspace@" + std::to_string(db_) + "__:" + std::string(contract::kPrefix) + "*";
    const bool keyspace = may({"PSUBSCRIBE", channel}, "+psubscribe &" + channel);
    if (refused_.empty()) return say(Grade::kGood, "every command that the agent needs is allowed");
    const bool enough = only_one_signal_missing_ && (tracking || keyspace);
    say(enough ? Grade::kNote : Grade::kBad, "some commands of the agent are refused",
        "ACL SETUSER (the agent's user)" + refused_ + "; docs/redis-contract.md section 5");
  }

  // Whether the server carries out the command for this user; remembers the rule that is missing.
  bool may(const bifrost::Command& command, const std::string& rule) {
    const auto reply = redis_.command(command, Deadline(kAnswerTime));
    const bool refused = !reply || (is_error(**reply) && text_of(**reply).substr(0, 6) == "NOPERM");
    if (!refused) return true;
    refused_ += " " + rule;
    if (rule.find("subscribe") == std::string::npos && rule.find("client") == std::string::npos) {
      only_one_signal_missing_ = false;
    }
    return false;
  }

  RedisClient& redis_;
  unsigned db_;
  Diagnoses& out_;
  std::string refused_;
  bool only_one_signal_missing_ = true;
};

}  // namespace

void examine_redis(Context& context, Diagnoses& out) {
  const auto url = parse_redis_url(context.settings.get(Setting::kRedisUrl));
  if (!url) {
    out.push_back({Grade::kBad, kPart, url.error().message,
                   "correct redis_url, which comes from " + context.settings.entry(Setting::kRedisUrl).origin});
    return;
  }
  auto redis = RedisClient::connect(*url, Deadline(kConnectTime));
  if (!redis) {
    out.push_back({Grade::kBad, kPart, redis.error().message,
                   "set BIFROST_REDIS_URL or --redis-url to the agent's Redis, or start that Redis"});
    return;
  }
  out.push_back({Grade::kGood, kPart, url->display() + " answers", ""});
  RedisExam(*redis, url->db, out).run();
}

}  // namespace bifrost::cachectl
