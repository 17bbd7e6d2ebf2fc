// asked_ahead.hpp - Redis' answers to questions that are about to be asked, many of them in one round trip.
//
// Whoever compares all that a process has loaded, without a mirror that vouches for it, asks Redis about each of it. A
// slow Redis would then be waited for as often as there are modules. The list is known before, though: a question that
// comes up takes the next ones of the list along, twice as many each time. So no more than twice of what was needed has
// been fetched when a difference ends the comparison.
// An answer is given once; a question that is asked again is asked anew, by itself. One that did not come concerns
// nobody before its turn.
// Concurrency: one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "common/base/module_path.hpp"
#include "common/base/result.hpp"
#include "shim/core/redis_fallback.hpp"

namespace bifrost {

class AskedAhead {
 public:
  // What one round trip may ask for, and how much content may come with it where that has not grown meanwhile.
  static constexpr std::size_t kMostQuestions = 64;
  static constexpr std::uint64_t kMostBytes = 256 << 10;

  explicit AskedAhead(RedisFallback& redis) : redis_(redis) {}

  // A question that will come up, in this order: the first of these paths that exists. `bytes`: of what it had.
  void expect(std::vector<ModulePath> paths, std::uint64_t bytes);

  // RedisFallback::first_of(), answered ahead if it can be. Errors: the same.
  Result<FileInRedis> first_of(const std::vector<ModulePath>& paths);

 private:
  struct Question {
    std::vector<ModulePath> paths;
    std::uint64_t bytes = 0;
    std::optional<Result<FileInRedis>> answer;
    bool asked = false;
  };
  void ask_from(std::size_t first);

  RedisFallback& redis_;
  std::size_t at_once_ = 1;
  std::vector<Question> questions_;
  std::map<std::vector<ModulePath>, std::size_t> places_;  // of the questions that have not been answered
};

}  // namespace bifrost
