#include "common/redis/host_addresses.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

namespace bifrost {

std::vector<std::string> addresses_in(const addrinfo* answer) {
  std::vector<std::string> addresses;
  for (const addrinfo* one = answer; one != nullptr && addresses.size() < kMostAddresses; one = one->ai_next) {
    char text[NI_MAXHOST] = "";
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    if (std::find(addresses.begin(), addresses.end(), text) == addresses.end()) addresses.emplace_back(text);
  }
  return addresses;
}

addrinfo any_stream_address() {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  return hints;
}

namespace {

using Addresses = Result<std::vector<std::string>>;

Addresses ask(const std::string& host, int flags) {
  addrinfo hints = any_stream_address();
  hints.ai_flags = flags;
  addrinfo* answer = nullptr;
  const int err = ::getaddrinfo(host.c_str(), nullptr, &hints, &answer);
  if (err != 0) return Error{ErrorCode::kUnreachable, ::gai_strerror(err)};
  auto addresses = addresses_in(answer);
  ::freeaddrinfo(answer);
  if (addresses.empty()) return Error{ErrorCode::kUnreachable, "no address"};
  return addresses;
}

// Lookups of this process that have not ended. A forked child has the number, but not the threads.
class Lookups {
 public:
  bool begin() {
    const pid_t self = ::getpid();
    if (pid_.exchange(self) != self) count_ = 0;
    if (count_.fetch_add(1) < kMostLookups) return true;
    --count_;
    return false;
  }
  void end() { --count_; }

 private:
  std::atomic<pid_t> pid_{0};
  std::atomic<int> count_{0};
};
Lookups lookups;

// What thread and waiting caller share; the last of them lets it go.
struct Lookup {
  std::mutex mutex;
  std::condition_variable done;
  std::optional<Addresses> answer;
};

void look_up(const std::shared_ptr<Lookup>& lookup, const std::string& host) {
  Addresses answer = ask(host, 0);
  lookups.end();
  const std::lock_guard lock(lookup->mutex);
  lookup->answer = std::move(answer);
  lookup->done.notify_one();
}

// Signals are for the program's own threads.
bool start_thread(std::function<void()> body) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    std::thread(std::move(body)).detach();
  } catch (const std::system_error&) {
    started = false;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace

Result<std::vector<std::string>> addresses_of(const std::string& host, const Deadline& deadline) {
  if (auto number = ask(host, AI_NUMERICHOST)) return number;
  const Error silent{ErrorCode::kTimeout, "the name server does not answer for " + host};
  if (!lookups.begin()) return silent;
  const auto lookup = std::make_shared<Lookup>();
  if (!start_thread([lookup, host] { look_up(lookup, host); })) {
    lookups.end();
    return Error{ErrorCode::kNoSpace, "no thread for looking up " + host};
  }
  std::unique_lock lock(lookup->mutex);
  const auto left = deadline.instant().since(boot_now());
  if (!lookup->done.wait_for(lock, left, [&] { return lookup->answer.has_value(); })) return silent;
  return std::move(*lookup->answer);
}

}  // namespace bifrost
