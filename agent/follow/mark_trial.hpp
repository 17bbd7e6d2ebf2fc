// mark_trial.hpp - may marks be relied on? Tried once, with a PUBLISH of its own.
//
// A command that is refused inside a transaction takes the whole transaction with it. So the first mark is published
// outside one; once it has come back on the stream, both rights are known to be there. Until that is decided nothing is
// committed: neither marks nor fences are to judge. Belongs to the loop's thread.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "agent/follow/chase.hpp"
#include "agent/follow/data_connection.hpp"
#include "common/base/clock.hpp"

namespace bifrost::agent {

class MarkTrial {
 public:
  static constexpr std::chrono::seconds kPatience{5};

  // `on_refused` hears if fences are to decide, `on_elsewhere` that nobody listens where it was published.
  void begin(DataConnection& data, const std::string& channel, std::function<void()> on_refused,
             std::function<void()> on_elsewhere);
  // The mark has come back.
  void succeed();
  // As time passes: it may have been lost. What Redis has not published yet may still come.
  void look(BootTime now);

  bool in_force() const { return in_force_; }
  // `by_marks`: what they say.
  Cut cut(Cut by_marks) const { return in_force_ ? by_marks : under_way_ ? Cut::kOpen : Cut::kByFences; }

 private:
  void refuse(std::string_view why);

  bool under_way_ = false;
  std::optional<BootTime> published_;
  bool in_force_ = false;
  std::function<void()> on_refused_;
};

}  // namespace bifrost::agent
