// fake_redis.hpp - as much of Redis as the fallback speaks: PING, GET; SMEMBERS, SISMEMBER and EXISTS of the index.
#pragma once

#include <atomic>
#include <charconv>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/redis/contract.hpp"
#include "common/redis/module_value.hpp"
#include "tests/shim/line_server.hpp"

namespace bifrost {

class FakeRedis : public LineServer {
 public:
  // The directory must outlive the server.
  explicit FakeRedis(const std::string& dir) : path_(dir + "/redis.sock") { start(path_); }
  ~FakeRedis() override { stop(); }

  std::string url() const { return "unix://" + path_; }

  void put(const std::string& path, const std::string& content, const std::string& hash = "h") {
    put_raw(path, encode_module_value(path, content, hash));
    add_to_index(path);
  }
  void put_raw(const std::string& path, const std::string& value) {
    const std::lock_guard lock(mutex_);
    values_[key_of(path)] = value;
  }
  void add_to_index(const std::string& path) {
    const std::lock_guard lock(mutex_);
    index_.insert(path);
  }
  // As when the key's TTL ran out: the index still names it.
  void expire(const std::string& path) {
    const std::lock_guard lock(mutex_);
    values_.erase(key_of(path));
  }
  void erase(const std::string& path) {
    expire(path);
    const std::lock_guard lock(mutex_);
    index_.erase(path);
  }
  // Redis holds whatever somebody wrote, under any name.
  static std::string key_of(const std::string& path) { return std::string(contract::kPrefix).append(path); }

  // Does something right after the command `name` has been answered `times` more times.
  void after(const std::string& name, int times, std::function<void()> action) {
    const std::lock_guard lock(mutex_);
    after_ = {name, counts_[name] + times, std::move(action)};
  }
  void flush() {
    const std::lock_guard lock(mutex_);
    values_.clear();
    index_.clear();
  }
  // Every command is answered with this error; "" ends it.
  void refuse_with(const std::string& error) {
    const std::lock_guard lock(mutex_);
    error_ = error;
  }
  // Commands arrive and nobody answers.
  void hang(bool on) { hanging_ = on; }

  // How often something was answered: about once per round trip.
  int exchanges() const { return exchanges_; }

  int commands(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return counts_[name];
  }

 protected:
  std::string answer(std::string& input) override {
    std::string out;
    std::vector<std::string> words;
    while (!hanging_ && take_command(input, words)) out += reply_to(words);
    if (!out.empty()) ++exchanges_;
    return out;
  }

 private:
  static bool take_line(std::string_view& rest, char mark, std::size_t& number) {
    const auto end = rest.find("\r\n");
    if (end == std::string_view::npos || rest.front() != mark) return false;
    std::from_chars(rest.data() + 1, rest.data() + end, number);
    rest.remove_prefix(end + 2);
    return true;
  }

  static bool take_command(std::string& input, std::vector<std::string>& words) {
    std::string_view rest = input;
    std::size_t count = 0;
    if (rest.empty() || !take_line(rest, '*', count)) return false;
    words.clear();
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t bytes = 0;
      if (rest.empty() || !take_line(rest, '$', bytes) || rest.size() < bytes + 2) return false;
      words.emplace_back(rest.substr(0, bytes));
      rest.remove_prefix(bytes + 2);
    }
    input.erase(0, input.size() - rest.size());
    return true;
  }

  static std::string bulk(const std::string& text) {
    return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
  }

  std::string reply_to(const std::vector<std::string>& words) {
    std::function<void()> action;
    std::string reply;
    {
      const std::lock_guard lock(mutex_);
      const int count = ++counts_[words[0]];
      reply = reply_of(words);
      if (words[0] == after_.command && count == after_.count) action = std::move(after_.action);
    }
    if (action) action();
    return reply;
  }

  std::string reply_of(const std::vector<std::string>& words) {
    if (!error_.empty()) return "-" + error_ + "\r\n";
    if (words[0] == "PING") return "+PONG\r\n";
    if (words[0] == "EXISTS") return index_.empty() ? ":0\r\n" : ":1\r\n";
    if (words[0] == "SISMEMBER") return index_.count(words.back()) != 0 ? ":1\r\n" : ":0\r\n";
    if (words[0] == "SMEMBERS") {
      std::string out = "*" + std::to_string(index_.size()) + "\r\n";
      for (const std::string& member : index_) out += bulk(member);
      return out;
    }
    const auto found = values_.find(words.back());
    return found == values_.end() ? "$-1\r\n" : bulk(found->second);
  }

  const std::string path_;
  std::atomic<bool> hanging_{false};
  std::mutex mutex_;
  std::map<std::string, std::string> values_;
  std::set<std::string> index_;
  std::map<std::string, int> counts_;
  std::atomic<int> exchanges_{0};
  std::string error_;
  struct After {
    std::string command;
    int count = 0;
    std::function<void()> action;
  } after_;
};

}  // namespace bifrost
