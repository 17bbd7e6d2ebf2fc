// line_server.hpp - a server on a Unix socket, in a thread of the test: what stands for Redis and for the agent.
//
// Subclasses take what arrived and say what to answer. Destroying it closes every connection.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <list>
#include <string>
#include <thread>

#include "common/base/unique_fd.hpp"

namespace bifrost {

class LineServer {
 public:
  LineServer() = default;
  virtual ~LineServer() { EXPECT_FALSE(thread_.joinable()) << "call stop() in the destructor of the subclass"; }
  LineServer(const LineServer&) = delete;
  LineServer& operator=(const LineServer&) = delete;

  int connections() const { return connections_; }

 protected:
  // Removes from `input` each complete request and returns the answers.
  virtual std::string answer(std::string& input) = 0;

  void start(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << path;
    ASSERT_EQ(::listen(listener_.get(), 16), 0);
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    stop_reader_ = UniqueFd(ends[0]);
    stop_writer_ = UniqueFd(ends[1]);
    thread_ = std::thread([this] { serve(); });
  }

  void stop() {
    if (!thread_.joinable()) return;
    stop_writer_.reset();
    thread_.join();
    listener_.reset();
  }

 private:
  struct Connection {
    UniqueFd fd;
    std::string input;
  };

  void serve() {
    std::list<Connection> connections;
    while (true) {
      std::vector<pollfd> polled = {{stop_reader_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      for (const Connection& c : connections) polled.push_back({c.fd.get(), POLLIN, 0});
      ::poll(polled.data(), polled.size(), -1);
      if (polled[0].revents != 0) return;
      std::size_t i = 2;
      for (auto it = connections.begin(); it != connections.end(); ++i) {
        const bool alive = polled[i].revents == 0 || talk(*it);
        it = alive ? std::next(it) : connections.erase(it);
      }
      if (polled[1].revents != 0) {
        connections.push_back({UniqueFd(::accept(listener_.get(), nullptr, nullptr)), {}});
        ++connections_;
      }
    }
  }

  bool talk(Connection& c) {
    char buffer[65536];
    const ssize_t n = ::recv(c.fd.get(), buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    c.input.append(buffer, static_cast<std::size_t>(n));
    const std::string out = answer(c.input);
    return ::send(c.fd.get(), out.data(), out.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out.size());
  }

  UniqueFd listener_;
  UniqueFd stop_reader_;
  UniqueFd stop_writer_;
  std::thread thread_;
  std::atomic<int> connections_{0};
};

}  // namespace bifrost
