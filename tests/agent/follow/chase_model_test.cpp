// chase_model_test.cpp - every order in which announcements, reads and marks can meet, against a Redis that knows its
// own.
//
// Writers' transactions, the agent's transactions on their way to Redis, answers and messages on their way back: at
// each step any one of them may be next. Every order up to the bounds is played through, by replaying the choices that
// led to it. What is committed must have been the state of Redis at one moment at which no deploy was going on, and
// never an earlier one than was committed before; when nothing is left on the way, it must be the last.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "agent/follow/chase.hpp"
#include "agent/follow/deploy_bracket.hpp"
#include "tests/common/path_of.hpp"

namespace bifrost::agent {
namespace {

using Key = std::string;
using State = std::map<Key, int>;              // a key that is deleted has a negative version
using Script = std::vector<std::vector<Key>>;  // keys of each writer's transaction; "-" before one that it deletes

const Key kLong = "long.py";  // takes three questions
// Words of a script: a deploy's key is set, and deleted.
const Key kBegin = "(";
const Key kEnd = ")";

// How the agent of a world decides. The careless ones are there to see that the reference objects.
enum class Care {
  kFull,
  kAppliesBeforeTheMark,  // answers as they come, as if their mark had
  kIgnoresMarks,          // and commits as soon as nothing is left to read
  kIgnoresDeploys,
};

class World {
 public:
  World(Script script, Care care, Chase::Limits limits) : chase_(limits), script_(std::move(script)), care_(care) {
    history_.push_back({});
    for (const auto& words : script_) {
      has_deploys_ |= std::find(words.begin(), words.end(), kBegin) != words.end();
    }
  }

  enum class Step { kWrite, kRead, kAnswer, kMessage };
  std::vector<Step> possible() const {
    std::vector<Step> steps;
    if (next_write_ < script_.size()) steps.push_back(Step::kWrite);
    if (!to_redis_.empty()) steps.push_back(Step::kRead);
    if (!answers_.empty()) steps.push_back(Step::kAnswer);
    if (!messages_.empty()) steps.push_back(Step::kMessage);
    return steps;
  }

  void take(Step step) {
    switch (step) {
      case Step::kWrite: return write();
      case Step::kRead: return read();
      case Step::kAnswer: return answer();
      case Step::kMessage: return message();
    }
  }

  bool torn() const { return torn_; }
  bool caught_up() const { return committed_ == history_.back().state && chase_.idle(); }
  std::uint64_t retries() const { return retries_; }

 private:
  struct Asked {
    std::vector<PendingPath> paths;
    std::optional<std::uint64_t> mark;
    bool looked = false;  // for the deploy's key
  };
  struct Moment {
    State state;
    bool deploying = false;
  };
  struct Answer {
    Asked asked;
    State values;
    std::optional<bool> deploying;  // of one that tells
    bool last = true;               // of its batch
  };
  struct Message {
    Key announced;  // or
    std::uint64_t mark = 0;
  };

  void write() {
    Moment now = history_.back();
    for (const Key& word : script_[next_write_]) {
      if (word == kBegin || word == kEnd) {
        now.deploying = word == kBegin;
        messages_.push_back({word, 0});
        continue;
      }
      const bool deletes = word.front() == '-';
      const Key key = deletes ? word.substr(1) : word;
      now.state[key] = (deletes ? -1 : 1) * (std::abs(now.state[key]) + 1);
      messages_.push_back({key, 0});
    }
    ++next_write_;
    history_.push_back(std::move(now));
  }

  void read() {
    Asked& asked = to_redis_.front();
    if (has_deploys_ && is_plain(asked) && !std::exchange(asked.looked, true)) {
      answers_.push_back({{}, {}, history_.back().deploying, false});
      return;
    }
    const bool plain = is_plain(asked);
    if (plain && asked.paths.size() > 1) {  // one command after the other, each with an answer of its own
      answers_.push_back({{{asked.paths.front()}, {}}, history_.back().state, {}, false});
      asked.paths.erase(asked.paths.begin());
      return;
    }
    if (asked.mark) messages_.push_back({{}, *asked.mark});
    const std::optional<bool> deploying = plain ? std::nullopt : std::optional(history_.back().deploying);
    answers_.push_back({std::move(asked), history_.back().state, deploying});
    to_redis_.pop_front();
  }

  // Reread makes no transaction of it.
  static bool is_plain(const Asked& asked) {
    const bool presence =
        std::any_of(asked.paths.begin(), asked.paths.end(), [](const PendingPath& p) { return p.with_presence; });
    return !asked.mark && !presence;
  }

  void answer() {
    Answer got = std::move(answers_.front());
    answers_.pop_front();
    if (got.asked.mark && chase_.awaits_mark() && !careless_of_marks()) {
      held_ = std::move(got);
    } else {
      apply(got);
    }
    go_on();
  }

  void message() {
    const Message got = messages_.front();
    messages_.pop_front();
    ++position_.value;
    if (got.announced == kBegin || got.announced == kEnd) {
      chase_.look(position_);
    } else if (got.mark == 0) {
      chase_.queue().mark(path_of(got.announced), position_);
    } else {
      // The transaction under way is the one that was sent last.
      std::vector<PendingPath>& asked = held_ ? held_->asked.paths : marked_paths();
      if (chase_.mark_arrived(got.mark, position_, asked) && held_) {
        const Answer held = *std::exchange(held_, std::nullopt);
        apply(held);
      }
    }
    go_on();
  }

  bool careless_of_marks() const { return care_ == Care::kAppliesBeforeTheMark || care_ == Care::kIgnoresMarks; }
  std::vector<PendingPath>& marked_paths() { return !answers_.empty() ? answers_.back().asked.paths : nothing_; }

  void apply(const Answer& got) {
    if (got.deploying) deploy_.seen(*got.deploying, BootTime{1});
    for (const PendingPath& path : got.asked.paths) {
      const Key key(path.path.text());
      if (key == kLong && path.read != PendingPath::Read::kSized) {
        PendingPath again = path;
        again.read = path.read == PendingPath::Read::kSmall ? PendingPath::Read::kMeasure : PendingPath::Read::kSized;
        again.size_bytes = 1;
        chase_.queue().read_again(std::move(again));
      } else if (const auto value = got.values.find(key); value != got.values.end()) {
        if (value->second < 0 && !path.with_presence) {
          PendingPath again = path;
          again.with_presence = true;
          chase_.queue().read_again(std::move(again));
        } else {
          staged_[key] = value->second;
        }
      }
    }
    if (careless_of_marks() && got.asked.mark && chase_.awaits_mark()) {
      chase_.mark_arrived(*got.asked.mark, position_, {});
    }
    if (got.last && chase_.finish_oldest()) ++retries_;
  }

  void go_on() {
    const bool due = care_ == Care::kIgnoresMarks ? chase_.queue().idle() : chase_.cut() == Cut::kExact;
    const bool holds = deploy_.holds() && care_ != Care::kIgnoresDeploys;
    if (staged_ != committed_ && due && !holds) commit();
    if (staged_ == committed_ || holds) chase_.settle();
    while (auto batch = chase_.next(Chase::Manner::kCut, staged_ != committed_, position_)) {
      to_redis_.push_back({std::move(batch->paths), batch->mark});
    }
  }

  void commit() {
    // Of two equal states the later one counts: nobody can tell them apart.
    const auto moment = std::find_if(history_.rbegin(), history_.rend(),
                                     [this](const Moment& m) { return !m.deploying && m.state == staged_; });
    const auto number = static_cast<std::size_t>(history_.rend() - moment);
    torn_ |= moment == history_.rend() || number < newest_;
    newest_ = std::max(newest_, number);
    committed_ = staged_;
  }

  Chase chase_;
  Script script_;
  Care care_;
  std::size_t next_write_ = 0;
  std::vector<Moment> history_;  // of Redis, after each writer's transaction
  bool has_deploys_ = false;

  std::deque<Asked> to_redis_;
  std::deque<Answer> answers_;
  std::deque<Message> messages_;
  std::optional<Answer> held_;
  std::vector<PendingPath> nothing_;
  StreamPosition position_;

  DeployBracket deploy_;
  State staged_;
  State committed_;
  std::size_t newest_ = 0;
  std::uint64_t retries_ = 0;
  bool torn_ = false;
};

struct Tally {
  std::uint64_t orders = 0;
  std::uint64_t torn = 0;
  std::uint64_t stuck = 0;  // ended without the last state
  std::uint64_t most_retries = 0;
};

constexpr std::size_t kMaxSteps = 400;  // of one order: an agent that never ends is stuck

// Plays one order: `choices` as far as they go, then the first step that is possible. `width`: how many were, each
// time.
void play(World& world, const std::vector<std::size_t>& choices, std::vector<std::size_t>& width, Tally& tally) {
  width.clear();
  while (width.size() < kMaxSteps) {
    const auto steps = world.possible();
    if (steps.empty()) break;
    const std::size_t choice = width.size() < choices.size() ? choices[width.size()] : 0;
    width.push_back(steps.size());
    world.take(steps[choice]);
  }
  ++tally.orders;
  tally.torn += world.torn();
  tally.stuck += !world.caught_up();
  tally.most_retries = std::max(tally.most_retries, world.retries());
}

// All orders, each once: the choices count upwards like the digits of a number.
Tally every_order(const Script& script, Care care = Care::kFull, Chase::Limits limits = {}) {
  constexpr std::uint64_t kMostOrders = 3'000'000;
  Tally tally;
  std::vector<std::size_t> choices;
  std::vector<std::size_t> width;
  while (true) {
    World world(script, care, limits);
    play(world, choices, width, tally);
    EXPECT_LT(tally.orders, kMostOrders) << "the script is too long to try everything";
    if (tally.orders >= kMostOrders) return tally;
    choices.resize(width.size(), 0);
    while (!choices.empty() && choices.back() + 1 >= width[choices.size() - 1]) choices.pop_back();
    if (choices.empty()) return tally;
    ++choices.back();
  }
}

// Orders by chance, for scripts that are too long to try everything.
Tally some_orders(const Script& script, std::uint64_t orders, Chase::Limits limits) {
  Tally tally;
  std::mt19937 random(1);
  std::vector<std::size_t> width;
  for (std::uint64_t i = 0; i < orders; ++i) {
    World world(script, Care::kFull, limits);
    for (std::size_t n = 0; n < kMaxSteps; ++n) {
      const auto steps = world.possible();
      if (steps.empty()) break;
      world.take(steps[random() % steps.size()]);
    }
    play(world, {}, width, tally);
  }
  return tally;
}

void expect_whole(const Tally& tally) {
  EXPECT_EQ(tally.torn, 0u) << "of " << tally.orders;
  EXPECT_EQ(tally.stuck, 0u) << "of " << tally.orders;
  std::printf("%llu orders, at most %llu re-reads more\n", static_cast<unsigned long long>(tally.orders),
              static_cast<unsigned long long>(tally.most_retries));
}

constexpr Chase::Limits kOneAtATime{.paths = 1, .under_way = 2};
constexpr Chase::Limits kTwoAtATime{.paths = 2, .under_way = 2};

TEST(ChaseModel, AGroupBesideASingleWriteIsWholeInEveryOrder) {
  expect_whole(every_order({{"a.py", "b.py"}, {"a.py"}, {"c.py"}}));
}

TEST(ChaseModel, AGroupThatIsWrittenTwiceIsWholeInEveryOrder) {
  expect_whole(every_order({{"a.py", "b.py"}, {"a.py", "b.py"}, {"a.py", "b.py"}}));
}

TEST(ChaseModel, AGroupLargerThanATransactionIsWholeInEveryOrder) {
  expect_whole(every_order({{"a.py", "b.py"}, {"b.py"}, {"a.py"}}, Care::kFull, kOneAtATime));
  expect_whole(every_order({{"a.py", "b.py", "c.py"}, {"a.py", "b.py"}}, Care::kFull, kTwoAtATime));
}

TEST(ChaseModel, AValueThatTakesThreeQuestionsKeepsItsGroupWhole) {
  expect_whole(every_order({{"a.py", kLong}, {"a.py"}, {kLong}}));
}

TEST(ChaseModel, ADeletionKeepsItsGroupWhole) {
  expect_whole(every_order({{"a.py", "b.py"}, {"-a.py", "b.py"}, {"b.py"}}));
}

TEST(ChaseModel, ADeployBesideASingleWriteIsWholeInEveryOrder) {
  expect_whole(every_order({{kBegin}, {"a.py"}, {kEnd}}));
  expect_whole(every_order({{"a.py", kBegin}, {"b.py", kEnd}}));
}

TEST(ChaseModel, DeploysAreWholeInOrdersByChance) {
  const Script script{{"a.py", "b.py"}, {kBegin}, {"a.py"}, {kLong}, {"-b.py"},      {kEnd},
                      {"a.py"},         {kBegin}, {"b.py"}, {kEnd},  {kLong, "a.py"}};
  expect_whole(some_orders(script, 5'000, {}));
  expect_whole(some_orders(script, 5'000, kOneAtATime));
  expect_whole(some_orders(script, 5'000, {.paths = 2, .under_way = 4}));
}

TEST(ChaseModel, ManyWritersAreWholeInOrdersByChance) {
  const Script script{{"a.py", "b.py", kLong},
                      {"a.py"},
                      {"b.py", kLong},
                      {"c.py"},
                      {"a.py", "b.py", "c.py"},
                      {kLong},
                      {"-c.py"},
                      {"-a.py", kLong},
                      {"b.py"},
                      {"a.py", "b.py", "c.py", kLong}};
  expect_whole(some_orders(script, 20'000, {}));
  expect_whole(some_orders(script, 20'000, kOneAtATime));
  expect_whole(some_orders(script, 20'000, {.paths = 2, .under_way = 4}));
}

TEST(ChaseModel, TheReferenceObjectsToAnAgentThatIgnoresMarks) {
  EXPECT_GT(every_order({{"a.py", "b.py"}, {"a.py", "b.py"}}, Care::kIgnoresMarks).torn, 0u);
}

TEST(ChaseModel, TheReferenceObjectsToAnAgentThatIgnoresDeploys) {
  EXPECT_GT(every_order({{kBegin}, {"a.py"}, {kEnd}}, Care::kIgnoresDeploys).torn, 0u);
}

TEST(ChaseModel, TheReferenceObjectsToAnswersThatDoNotWaitForTheirMark) {
  EXPECT_GT(every_order({{"a.py", "b.py"}, {"a.py", "b.py"}}, Care::kAppliesBeforeTheMark).torn, 0u);
}

}  // namespace
}  // namespace bifrost::agent
