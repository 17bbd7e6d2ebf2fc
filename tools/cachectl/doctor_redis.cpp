// What doctor says about Redis: reachable, suitable, and willing to do what the agent needs.
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

#include "common/redis/contract.hpp"
#include "tools/cachectl/doctor.hpp"
#include "tools/cachectl/redis_access.hpp"
#include "tools/cachectl/segment_access.hpp"

namespace bifrost::cachectl {
namespace {

using Grade = Diagnosis::Grade;

constexpr std::chrono::seconds kRedisTime(5);
constexpr char kPart[] = "redis";

std::string field_of(std::string_view info, std::string_view name) {
  const std::string needle = "\n" + std::string(name) + ":";
  const auto at = info.find(needle);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = info.substr(at + needle.size());
  return std::string(rest.substr(0, rest.find_first_of("\r\n")));
}

constexpr std::string_view kNoPassword = "NOAUTH";
constexpr std::string_view kKeyRule = "%R~bifrost:module:*";
constexpr std::string_view kNoMemory = "OOM";
constexpr char kPingIt[] = "check that Redis answers: redis-cli ping";
constexpr char kAskAgain[] = "mend or wait for what Redis says, then ask again: bifrost-cachectl doctor";

bool begins_with(const redisReply& reply, std::string_view code) {
  return is_error(reply) && text_of(reply).substr(0, code.size()) == code;
}

Diagnosis password_missing() {
  return {Grade::kBad, kPart, "Redis asks for a password that redis_url does not have",
          "put user:password into redis_url in /etc/bifrost/bifrost.conf (readable by root and the agent only), or set "
          "BIFROST_REDIS_URL"};
}

// By `maxclients`, protected mode and the like. `words`: the server's, or an error that begins with them.
Diagnosis turned_away(const std::string& words) {
  return {Grade::kBad, kPart, "it turns away whoever connects: " + words, kAskAgain};
}

// What the server said, or why it said nothing.
std::string words_of(const Result<Reply>& reply) {
  return reply ? std::string(text_of(**reply)) : reply.error().message;
}

class RedisExam {
 public:
  // `mirror`: what the agent says of itself, if there is a segment.
  RedisExam(RedisClient& redis, const RedisUrl& url, const std::optional<SegmentInfo>& mirror, Diagnoses& out)
      : redis_(redis), name_(url.display()), db_(url.db), tls_(url.tls.has_value()), mirror_(mirror), out_(out) {}

  void run() {
    if (!lets_us_in()) return;
    examine_server();
    compare_with_the_agent();
    examine_notifications();
    examine_rights();
  }

 private:
  void say(Grade grade, std::string what, std::string advice = "") {
    out_.push_back({grade, kPart, std::move(what), std::move(advice)});
  }

  // With TLS, a connection is made before it is known what speaks at the other end.
  std::string how_to_reach(std::string_view why) const {
    if (why.find("certificate") != std::string_view::npos) {
      return "renew the server's certificate, or correct ca= and name= of redis_url";
    }
    return tls_ ? std::string(
                      "check that this port speaks TLS (rediss://), and that Redis answers: redis-cli --tls ping")
                : std::string(kPingIt) + "; if this port speaks TLS, redis_url begins with rediss://";
  }

  // Whoever is not let in learns nothing about server and rights.
  bool lets_us_in() {
    const auto reply = redis_.command({"PING"}, Deadline(kRedisTime));
    const bool known = reply && (!is_error(**reply) || is_not_to_be_had(**reply));
    if (const std::string words = words_of(reply);
        !known && (words.starts_with("ERR") || words.starts_with("DENIED"))) {
      out_.push_back(turned_away(words));
      return false;
    }
    if (!reply) {
      say(Grade::kBad, reply.error().message, how_to_reach(reply.error().message));
      return false;
    }
    if (begins_with(**reply, kNoPassword)) {
      out_.push_back(password_missing());
      return false;
    }
    if (is_misconf(**reply)) {
      say(Grade::kBad, "it cannot save its data and refuses whatever writes: modules are served, none can be changed",
          "see its log and `redis-cli info persistence`; it needs room on its disk, or a directory it may write to");
    } else {
      say(Grade::kGood, name_ + " answers");
    }
    return true;
  }

  void examine_server() {
    const auto reply = redis_.command({"INFO"}, Deadline(kRedisTime));
    if (!reply) return say(Grade::kBad, reply.error().message, kPingIt);
    if (is_no_permission(**reply)) {
      return say(Grade::kNote, "INFO is not allowed: version and role are not known", "ACL SETUSER ... +info");
    }
    if (is_error(**reply)) {
      return say(Grade::kNote, "version and role could not be examined: " + std::string(text_of(**reply)), kAskAgain);
    }
    const std::string_view info = text_of(**reply);
    run_id_ = field_of(info, "run_id");
    const std::string version = field_of(info, "redis_version");
    int major = 0;
    int minor = 0;
    const bool old =
        std::sscanf(version.c_str(), "%d.%d", &major, &minor) == 2 && (major < 6 || (major == 6 && minor < 2));
    if (old) say(Grade::kBad, "version " + version + " is too old", "upgrade Redis to 6.2 or newer");
    const std::string valkey = field_of(info, "valkey_version");
    if (!old) say(Grade::kGood, "version " + version + (valkey.empty() ? "" : ", which is Valkey " + valkey));
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
    evicts_ = !policy.empty() && policy != "noeviction";
    if (evicts_ && field_of(info, "maxmemory") != "0") {
      say(Grade::kNote, "maxmemory-policy is " + policy + ": modules may be evicted from Redis",
          "CONFIG SET maxmemory-policy noeviction, or give the modules a Redis of their own");
    }
  }

  // One Redis may have several names: what it calls itself decides, where both sides know that.
  void compare_with_the_agent() {
    if (!mirror_ || mirror_->redis_url == name_) return;
    const auto url = parse_redis_url(mirror_->redis_url);
    if (url && url->db == db_ && !run_id_.empty() && run_id_ == mirror_->run_id) return;
    say(Grade::kNote, "the agent may use another Redis: " + mirror_->redis_url,
        "set BIFROST_REDIS_URL or --redis-url to the agent's Redis: diff, push and doctor use " + name_);
  }

  void examine_notifications() {
    const auto reply = redis_.command({"CONFIG", "GET", "notify-keyspace-events"}, Deadline(kRedisTime));
    if (!reply) return;  // said before
    const auto pair = elements_of(**reply);
    if (is_error(**reply) && !is_not_to_be_had(**reply)) {
      return say(Grade::kNote, "notify-keyspace-events could not be examined: " + std::string(text_of(**reply)),
                 kAskAgain);
    }
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

  // False: it is something else, and whatever asks for its members fails.
  bool index_is_a_set(const std::string& index) {
    const Reply type = ask({"TYPE", index}, "+type");
    if (!type || text_of(*type) == "set" || text_of(*type) == "none") return true;
    say(Grade::kBad, fmt::format("{} is a {} and no set: writers cannot list their modules", index, text_of(*type)),
        fmt::format("find out who wrote it; then DEL {}, and write every module again: bifrost-cachectl push DIR",
                    index));
    return false;
  }

  void examine_rights() {
    const std::string key = contract::key_of("doctor.py");
    const std::string index(contract::kIndexKey);
    ask({"PING"}, "+ping");
    ask({"SCAN", "0", "MATCH", std::string(contract::kPrefix) + "*", "COUNT", "1"}, "+scan");
    const bool members = index_is_a_set(index);
    ask({"PTTL", key}, "+pttl");
    ask({"GETRANGE", key, "0", "0"}, "+getrange");
    ask({"STRLEN", key}, "+strlen");
    if (members) {
      ask({"SISMEMBER", index, "doctor.py"}, "+sismember");
      ask({"SMISMEMBER", index, "doctor.py"}, "+smismember");
      ask({"SSCAN", index, "0", "COUNT", "1"}, "+sscan");
    }
    ask({"EXISTS", key}, "+exists");
    examine_transactions(key);
    const bool marks = may({"PUBLISH", std::string(contract::kMarkChannels) + "doctor", "0"});
    bool tracking = false;
    if (const Reply id = ask({"CLIENT", "ID"}, "+client|id +client|tracking")) {
      tracking = ask({"CLIENT", "TRACKING", "ON", "REDIRECT", std::to_string(id->integer), "BCAST", "PREFIX",
                      std::string(contract::kPrefix)},
                     "+client|tracking") &&
                 ask({"SUBSCRIBE", "__redis__:invalidate"}, "+subscribe &__redis__:invalidate");
    }
    // The connection is subscribed from here on, and ends with this examination.
    const std::string channel = "__keyspace@" + std::to_string(db_) + "__:" + std::string(contract::kPrefix) + "*";
    const bool keyspace = ask({"PSUBSCRIBE", channel}, "+psubscribe &" + channel) != nullptr;
    const bool hears_marks = marks && may({"SUBSCRIBE", std::string(contract::kMarkChannels) + "doctor"});
    if (!hears_marks) {
      say(Grade::kNote, "marks are refused: modules written together are found by fences, which need quiet moments",
          "ACL SETUSER (the agent's user) +publish &" + std::string(contract::kMarkChannels) + "*");
    }
    if (!unexamined_.empty()) {
      say(Grade::kBad, "the rights of the agent could not all be examined: " + unexamined_, kAskAgain);
    }
    if (!refused_.empty()) {
      const bool enough = only_one_signal_missing_ && (tracking || keyspace);
      say(enough ? Grade::kNote : Grade::kBad, "some commands of the agent are refused",
          "ACL SETUSER (the agent's user)" + refused_ + "; docs/redis-contract.md section 5");
    }
    if (unexamined_.empty() && refused_.empty()) say(Grade::kGood, "every command that the agent needs is allowed");
  }

  void examine_transactions(const std::string& key) {
    if (!ask({"MULTI"}, "+multi +exec")) return;
    const auto queued = redis_.command({"PTTL", key}, Deadline(kRedisTime));
    if (!queued || !is_error(**queued)) {
      ask({"EXEC"}, "+exec");
      return;
    }
    static_cast<void>(redis_.command({"EXEC"}, Deadline(kRedisTime)));  // refused; ends the transaction
    if (!begins_with(**queued, kNoMemory)) return;                      // said before
    say(Grade::kBad,
        "its memory is full (maxmemory): it refuses transactions, reads in them too, so that no mirror can follow it",
        evicts_ ? "raise maxmemory, or delete keys"
                : "raise maxmemory, delete keys, or let it evict: CONFIG SET maxmemory-policy volatile-lru");
  }

  // The answer of a server that carries the command out for this user. Otherwise null, and remembered is which rule is
  // missing, or what else kept it from being carried out: only NOPERM says anything about rights.
  Reply ask(const bifrost::Command& command, const std::string& rule) {
    auto reply = redis_.command(command, Deadline(kRedisTime));
    if (reply && !refuses_to_answer(**reply)) return std::move(*reply);
    if (!reply || !is_no_permission(**reply)) {
      leave_unexamined(reply);
      return nullptr;
    }
    // "... to access one of the keys used as arguments", or "... to access a key" of newer servers.
    const bool for_key = text_of(**reply).find(" key") != std::string_view::npos;
    const std::string missing = for_key ? " " + std::string(kKeyRule) : " " + rule;
    if (refused_.find(missing) == std::string::npos) refused_ += missing;
    if (rule.find("subscribe") == std::string::npos && rule.find("client") == std::string::npos) {
      only_one_signal_missing_ = false;
    }
    return nullptr;
  }

  // Of what the agent can do without. A server that is busy has refused nothing.
  bool may(const bifrost::Command& command) {
    const auto reply = redis_.command(command, Deadline(kRedisTime));
    if (reply && !is_error(**reply)) return true;
    if (reply && (is_no_permission(**reply) || begins_with(**reply, "ERR"))) return false;
    leave_unexamined(reply);
    return true;
  }

  void leave_unexamined(const Result<Reply>& reply) {
    if (unexamined_.empty()) unexamined_ = words_of(reply);
  }

  RedisClient& redis_;
  std::string name_;
  unsigned db_;
  bool tls_;
  const std::optional<SegmentInfo>& mirror_;
  Diagnoses& out_;
  std::string run_id_;      // "" when INFO is not allowed
  std::string refused_;     // the rules that are missing
  std::string unexamined_;  // why the first probe that was not carried out was not; "" if there is none
  bool only_one_signal_missing_ = true;
  bool evicts_ = false;  // by its maxmemory-policy
};

}  // namespace

void examine_redis(Context& context, Diagnoses& out) {
  const auto url = parse_redis_url(context.settings.get(Setting::kRedisUrl));
  if (!url) {
    out.push_back({Grade::kBad, kPart, url.error().message,
                   "correct redis_url, which comes from " + context.settings.entry(Setting::kRedisUrl).origin});
    return;
  }
  if (const auto doubt = doubt_about_redis(context)) {
    out.push_back({Grade::kNote, kPart, *doubt, "run doctor as root, or set BIFROST_REDIS_URL to the agent's Redis"});
  }
  auto redis = RedisClient::connect(*url, Deadline(kConnectTime));
  if (!redis) {
    const Error& error = redis.error();
    const bool refused = error.code == ErrorCode::kRefused;
    if (refused && error.message.find(kNoPassword) != std::string::npos) return out.push_back(password_missing());
    if (error.message.find("ERR max number of clients") != std::string::npos ||
        error.message.find("DENIED") != std::string::npos) {
      return out.push_back(turned_away(error.message));
    }
    out.push_back({Grade::kBad, kPart, error.message,
                   refused ? "correct user, password and database of redis_url, which comes from " +
                                 context.settings.entry(Setting::kRedisUrl).origin
                           : "set BIFROST_REDIS_URL or --redis-url to the agent's Redis, or start that Redis"});
    return;
  }
  std::optional<SegmentInfo> mirror;
  if (const auto segment = attach_segment(context.settings)) mirror = (*segment)->info();
  RedisExam(*redis, *url, mirror, out).run();
}

}  // namespace bifrost::cachectl
