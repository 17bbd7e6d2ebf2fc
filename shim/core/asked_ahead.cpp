#include "shim/core/asked_ahead.hpp"

#include <algorithm>
#include <utility>

namespace bifrost {

void AskedAhead::expect(std::vector<ModulePath> paths, std::uint64_t bytes) {
  const bool is_new = places_.emplace(paths, questions_.size()).second;
  if (is_new) questions_.push_back({std::move(paths), bytes, std::nullopt, false});
}

Result<FileInRedis> AskedAhead::first_of(const std::vector<ModulePath>& paths) {
  const auto place = places_.find(paths);
  if (place == places_.end()) return redis_.first_of({paths.begin(), paths.end()});
  Question& question = questions_[place->second];
  if (!question.asked) ask_from(place->second);
  places_.erase(place);
  return std::move(*std::exchange(question.answer, std::nullopt));
}

void AskedAhead::ask_from(std::size_t first) {
  std::vector<Question*> asked;
  std::vector<RedisFallback::Question> questions;
  std::uint64_t bytes = 0;
  for (std::size_t i = first; i < questions_.size() && asked.size() < at_once_; ++i) {
    Question& next = questions_[i];
    if (next.asked) continue;
    bytes += next.bytes;
    if (i != first && bytes > kMostBytes) break;
    asked.push_back(&next);
    questions.emplace_back(next.paths.begin(), next.paths.end());
  }
  at_once_ = std::min(2 * at_once_, kMostQuestions);
  auto answers = redis_.first_of_each(questions);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    asked[i]->answer = std::move(answers[i]);
    asked[i]->asked = true;
  }
}

}  // namespace bifrost
