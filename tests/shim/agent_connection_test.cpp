// The connection to the agent is kept between questions, and given up whenever it may be the wrong one.
#include "common/control/agent_connection.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/shim/shim_fixture.hpp"

namespace bifrost {
namespace {

class AgentConnectionTest : public ShimFixture {
 protected:
  static Deadline soon() { return Deadline(std::chrono::seconds(20)); }
};

TEST_F(AgentConnectionTest, OneConnectionServesAllQuestions) {
  agent();
  AgentConnection connection(dir_);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(connection.fence(soon()));
  EXPECT_EQ(agent().connections(), 1);
}

TEST_F(AgentConnectionTest, WithoutAnAgentTheQuestionSaysWhy) {
  AgentConnection connection(dir_);
  EXPECT_EQ(connection.fence(soon()).error().code, ErrorCode::kNotFound);
  agent();
  EXPECT_TRUE(connection.fence(soon()));
}

TEST_F(AgentConnectionTest, AnAgentThatStartedAnewIsAskedInstead) {
  agent();
  AgentConnection connection(dir_);
  EXPECT_TRUE(connection.fence(soon()));
  stop_agent();
  EXPECT_FALSE(connection.fence(soon()));
  agent();
  EXPECT_TRUE(connection.fence(soon()));
  stop_agent();
  agent();
  EXPECT_TRUE(connection.fence(soon()));
}

TEST_F(AgentConnectionTest, ALateAnswerIsNotTakenForTheNextOne) {
  agent().behave(FakeAgent::Manner::kHangs);
  AgentConnection connection(dir_);
  EXPECT_EQ(connection.fence(Deadline(std::chrono::milliseconds(20))).error().code, ErrorCode::kTimeout);
  agent().behave(FakeAgent::Manner::kAnswers);
  EXPECT_TRUE(connection.fence(soon()));
  EXPECT_EQ(agent().connections(), 2);
}

TEST_F(AgentConnectionTest, ARefusalKeepsTheConnection) {
  agent().behave(FakeAgent::Manner::kRefuses);
  AgentConnection connection(dir_);
  EXPECT_EQ(connection.fence(soon()).error().code, ErrorCode::kRefused);
  agent().behave(FakeAgent::Manner::kAnswers);
  EXPECT_TRUE(connection.fence(soon()));
  EXPECT_EQ(agent().connections(), 1);
}

TEST_F(AgentConnectionTest, AForkedChildOpensItsOwn) {
  agent();
  AgentConnection connection(dir_);
  EXPECT_TRUE(connection.fence(soon()));
  const pid_t child = ::fork();
  if (child == 0) ::_exit(connection.fence(soon()) ? 0 : 1);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(connection.fence(soon()));
  EXPECT_EQ(agent().connections(), 2);
}

// Programs that become daemons close every descriptor, and open files that get the numbers.
TEST_F(AgentConnectionTest, ADescriptorThatIsSomebodyElsesByNowIsLeftAlone) {
  agent();
  const int number = ::dup(STDIN_FILENO);
  ::close(number);
  AgentConnection connection(dir_);
  EXPECT_TRUE(connection.fence(soon()));
  ASSERT_EQ(::close(number), 0);
  const UniqueFd theirs(::open((dir_ + "/theirs").c_str(), O_RDWR | O_CREAT, 0600));
  ASSERT_EQ(theirs.get(), number);
  EXPECT_TRUE(connection.fence(soon()));
  struct stat info {};
  ASSERT_EQ(::fstat(theirs.get(), &info), 0);
  EXPECT_TRUE(S_ISREG(info.st_mode));  // neither closed nor taken for a connection
  EXPECT_EQ(info.st_size, 0);
}

}  // namespace
}  // namespace bifrost
