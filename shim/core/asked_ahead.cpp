#include "shim/core/asked_ahead.hpp"

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
  if (!question.asked) {
    if (const Status s = ask_from(place->second); !s) return s.error();
  }
  places_.erase(place);
  return std::move(*std::exchange(question.answer, std::nullopt));
}

Status AskedAhead::ask_from(std::size_t first) {
  std::vector<Question*> asked;
  std::vector<RedisFallback::Question> questions;
  std::uint64_t bytes = 0;
  for (std::size_t i = first; i < questions_.size() && asked.size() < kMostQuestions; ++i) {
    Question& next = questions_[i];
    if (next.asked) continue;
    bytes += next.bytes;
    if (i != first && bytes > kMostBytes) break;
    asked.push_back(&next);
    questions.emplace_back(next.paths.begin(), next.paths.end());
  }
  auto answers = redis_.first_of_each(questions);
  if (!answers) return answers.error();
  for (std::size_t i = 0; i < asked.size(); ++i) {
    asked[i]->answer = std::move((*answers)[i]);
    asked[i]->asked = true;
  }
  return Done{};
}

}  // namespace bifrost
