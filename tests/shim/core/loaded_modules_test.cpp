// What counts as taken: two modules of one name, two answers to one question, what a thread takes while another moves
// the execution on.
#include "shim/core/loaded_modules.hpp"

#include <functional>
#include <utility>

#include "shim/core/whole_store.hpp"
#include "tests/shim/shim_fixture.hpp"

namespace bifrost {
namespace {

class TakenTest : public ShimFixture {
 protected:
  std::shared_ptr<const Resolution> found_in(const std::string& directory, const std::string& name) {
    Resolution found = worker().resolve(std::span(&directory, 1), name, Asking::kNobody);
    EXPECT_TRUE(found.found()) << directory << "/" << name;
    found.searched = {directory};
    return std::make_shared<const Resolution>(std::move(found));
  }
  void begin_with_two_plugs() {
    put("a/plug.py", "1");
    put("b/plug.py", "1");
    agent();
    begin();
  }
  void find_both_plugs() {
    for (const std::string directory : {"a", "b"}) loaded().note_found("plug", found_in(directory, "plug"));
  }
  LoadedModules& loaded() { return worker().loaded(); }
  bool is_current() { return worker().begin({}).loaded_is_current; }
};

TEST_F(TakenTest, OfTwoThatWereRunUnderOneNameEachIsCompared) {
  begin_with_two_plugs();
  loaded().add("plug", LoadedModule(found_in("a", "plug")));
  loaded().add("plug", LoadedModule(found_in("b", "plug")));
  EXPECT_TRUE(is_current());
  publish("a/plug.py", "2");
  EXPECT_FALSE(is_current()) << "the first";
  loaded().forget_asked();
  EXPECT_TRUE(is_current());
  publish("b/plug.py", "2");
  EXPECT_FALSE(is_current()) << "the second";
}

TEST_F(TakenTest, WhatLiesBelowAPackageIsComparedThereThoughAnotherHasItsName) {
  for (const std::string directory : {"a/plug/", "b/plug/"}) {
    put(directory + "__init__.py", "");
    put(directory + "sub.py", "1");
  }
  agent();
  begin();
  for (const std::string directory : {"a", "b"}) {
    loaded().add("plug", LoadedModule(found_in(directory, "plug")));
    Resolution sub = *found_in(directory + "/plug", "sub");
    sub.searched.clear();  // as a submodule usually is
    loaded().add("plug.sub", LoadedModule(std::make_shared<const Resolution>(std::move(sub))));
  }
  EXPECT_TRUE(is_current());
  publish("a/plug/sub.py", "2");
  EXPECT_FALSE(is_current());
}

TEST_F(TakenTest, OfTwoThatWereFoundUnderOneNameEachIsCompared) {
  begin_with_two_plugs();
  find_both_plugs();
  EXPECT_TRUE(is_current());
  publish("b/plug.py", "2");
  EXPECT_FALSE(is_current());
}

TEST_F(TakenTest, ARunTakesThePlaceOfItsOwnFindingOnly) {
  begin_with_two_plugs();
  find_both_plugs();
  loaded().add("plug", LoadedModule(found_in("b", "plug")));
  EXPECT_EQ(loaded().asked().found.size(), 1u);
  loaded().note_found("plug", found_in("b", "plug"));
  EXPECT_EQ(loaded().asked().found.size(), 1u) << "what is loaded needs no note";
  publish("a/plug.py", "2");
  EXPECT_FALSE(is_current());
}

TEST_F(TakenTest, WhatIsLoadedAndWasFoundElsewhereTooIsComparedThere) {
  put("x.py", "1");
  agent();
  begin();
  loaded().add("x", LoadedModule(found_in("", "x")));
  Resolution again = *found_in("", "x");
  again.searched = {"over", ""};
  loaded().note_found("x", std::make_shared<const Resolution>(std::move(again)));
  EXPECT_TRUE(is_current());
  publish("over/x.py", "1");
  EXPECT_FALSE(is_current());
}

TEST_F(TakenTest, AVersionThatWasRunAgainIsNotKept) {
  put("x.py", "1");
  agent();
  begin();
  loaded().add("x", LoadedModule(found_in("", "x")));
  publish("x.py", "2");
  worker().move_to_newest();
  loaded().add("x", LoadedModule(found_in("", "x")));
  EXPECT_TRUE(loaded().asked().found.empty()) << "that it was another is enough to know";
  EXPECT_FALSE(is_current());
}

TEST_F(TakenTest, WhatTookTheFirstAnswerDoesNotOutliveASecondOne) {
  put("asker.py", "");
  put("x.py", "1");
  put("pkg/a.py", "");
  agent();
  const auto x = *ModulePathView::parse("x.py");
  const std::vector<std::function<void()>> questions = {[&] { worker().find_path(x); }, [&] { worker().read_path(x); },
                                                        [&] { EXPECT_TRUE(worker().list("pkg")); },
                                                        [&] { loaded().note_found("x", found_in("", "x")); },
                                                        [&] { loaded().add("x", LoadedModule(found_in("", "x"))); }};
  int version = 1;
  for (const auto& ask : questions) {
    begin();
    loaded().add("asker", LoadedModule(found_in("", "asker")));
    ask();
    EXPECT_TRUE(is_current());
    publish("x.py", std::to_string(++version));
    put("pkg/b" + std::to_string(version) + ".py", "");
    commit();
    worker().move_to_newest();
    ask();
    EXPECT_FALSE(is_current()) << "question " << version - 2;
    loaded().remove("x");
    loaded().forget_asked();
  }
}

// Nobody can be asked what it is: that is not what it was.
TEST_F(TakenTest, WhatWasMissingAndCannotBeReadNowIsNotMissing) {
  agent();
  const auto path = *ModulePathView::parse("late.py");
  const std::vector<std::function<void()>> questions = {
      [&] { EXPECT_EQ(import("late"), "<not found>"); },
      [&] { EXPECT_EQ(shown(worker().find_path(path)), "<not found>"); },
      [&] { EXPECT_EQ(shown(worker().read_path(path)), "<not found>"); }};
  for (const auto& ask : questions) {
    writer().remove("late.py");
    commit();
    loaded().forget_asked();
    begin();
    ask();
    writer().put_not_mirrored("late.py", "too big");
    commit();
    worker().move_to_newest();
    EXPECT_FALSE(intact());
  }
}

TEST_F(TakenTest, AListingThatNobodyCouldGiveIsAnotherOnceItCanBeGiven) {
  put("pkg/a.py", "");
  put("x.py", "1");
  agent();
  say_complete(false);
  begin();
  loaded().add("x", LoadedModule(found_in("", "x")));
  EXPECT_FALSE(worker().list("pkg")) << "there is no Redis";
  EXPECT_TRUE(is_current());
  say_complete(true);
  EXPECT_FALSE(is_current());
}

TEST_F(TakenTest, WhatCannotBeHadThenAndNowIsTheSame) {
  writer().put_not_mirrored("bad.py", "no JSON");
  put("x.py", "1");
  agent();
  const auto path = *ModulePathView::parse("bad.py");
  begin();
  loaded().add("x", LoadedModule(found_in("", "x")));
  EXPECT_EQ(import("bad"), "<refused>");
  EXPECT_EQ(shown(worker().find_path(path)), "<refused>");
  EXPECT_EQ(shown(worker().read_path(path)), "<refused>");
  publish("other.py", "");
  EXPECT_TRUE(is_current());
  writer().remove("bad.py");
  commit();
  EXPECT_FALSE(is_current());
}

// One that evicts what it cannot find in sys.modules leaves nobody with anything of it.
TEST_F(TakenTest, WhatWasEvictedAndIsRunAgainIsOne) {
  put("x.py", "1");
  agent();
  begin();
  loaded().add("x", LoadedModule(found_in("", "x")));
  publish("x.py", "2");
  EXPECT_FALSE(is_current());
  loaded().miss("x");
  loaded().add("x", LoadedModule(found_in("", "x")));
  EXPECT_TRUE(is_current());
}

// Has nothing. While it is asked for the first time, `meanwhile` happens.
class SlowStore final : public WholeStore {
 public:
  StoreAnswer ask(const std::string&, const ModuleNode&) override {
    if (const auto happens = std::exchange(meanwhile, {})) happens();
    return {};
  }
  std::chrono::nanoseconds longest_wait() const override { return std::chrono::seconds(1); }
  bool may_ask() const override { return true; }
  void around(const std::function<void()>& wait) const override { wait(); }

  std::function<void()> meanwhile;
};

TEST_F(TakenTest, WhatAThreadFindsMissingWhileAnotherMovesTheExecutionIsComparedToo) {
  agent();
  const auto store = std::make_shared<SlowStore>();
  worker().ask_of(store);
  for (const auto& [path, stays_intact] : {std::pair("other.py", true), std::pair("late.py", false)}) {
    begin();
    store->meanwhile = [this, written = std::string(path)] {
      publish(written, "");
      worker().move_to_newest();
    };
    EXPECT_FALSE(worker().resolve(worker().scope().roots(), "late", Asking::kStore).found());
    EXPECT_EQ(intact(), stays_intact) << path;
  }
}

TEST_F(TakenTest, WhatIsNotedWhileTheMoverComparesIsComparedBeforeItMoves) {
  put("x.py", "1");
  agent();
  const auto store = std::make_shared<SlowStore>();
  worker().ask_of(store);
  begin();
  EXPECT_FALSE(worker().resolve(worker().scope().roots(), "late", Asking::kStore).found());
  const auto x = found_in("", "x");
  publish("x.py", "2");
  store->meanwhile = [&] { loaded().note_found("x", x); };
  worker().move_to_newest();
  EXPECT_FALSE(store->meanwhile) << "the comparison asked the store";
  EXPECT_FALSE(intact());
}

TEST_F(TakenTest, WhatItFindsIsComparedWhenItIsNoted) {
  put("x.py", "1");
  agent();
  begin();
  const auto x = found_in("", "x");
  publish("x.py", "2");
  worker().move_to_newest();
  EXPECT_TRUE(intact()) << "nothing was noted then";
  loaded().note_found("x", x);
  EXPECT_FALSE(worker().check_taken(x->moves));
  EXPECT_FALSE(intact());
  EXPECT_TRUE(worker().take_lost_notice());
}

TEST_F(TakenTest, OrTheExecutionEndsWhereThatIsWanted) {
  on_stale_ = "error";
  put("x.py", "1");
  put("y.py", "1");
  agent();
  begin();
  const auto x = found_in("", "x");
  publish("x.py", "2");
  worker().move_to_newest();
  loaded().note_found("x", x);
  EXPECT_TRUE(worker().check_taken(x->moves));
  EXPECT_EQ(import("y"), "<refused>") << "nor does another import succeed";
  EXPECT_FALSE(worker().list(""));
  loaded().forget_asked();
  begin();
  EXPECT_EQ(import("y"), "1");
}

// It is flagged already, and nothing more is refused to it.
TEST_F(TakenTest, WhoAskedForTheMoveGoesOn) {
  on_stale_ = "error";
  put("x.py", "1");
  put("y.py", "1");
  agent();
  begin();
  const auto y = found_in("", "y");
  loaded().note_found("x", found_in("", "x"));
  publish("x.py", "2");
  worker().move_to_newest();
  EXPECT_FALSE(intact());
  loaded().note_found("y", y);
  EXPECT_FALSE(worker().check_taken(y->moves));
  EXPECT_EQ(import("x"), "2");
}

}  // namespace
}  // namespace bifrost
