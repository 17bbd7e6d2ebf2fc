// lane.hpp - what one interpreter has to compile, and the helper that does it.
//
// The helper runs only while there is something to do. When it dies it is started again, later each time; a module that
// takes it down twice stays source-only until its source changes. Belongs to the loop's thread.
// (L1) At most one helper runs, and it has at most one job.
// (L2) Code is attached only to the very source that it was made of.
// (L3) A helper that was dismissed gets no job any more: its end is no module's fault.
#pragma once

#include <uv.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/compile/failures.hpp"
#include "agent/compile/helper.hpp"
#include "agent/compile/queue.hpp"
#include "agent/loop/event_loop.hpp"
#include "common/writer/segment_writer.hpp"

namespace bifrost::agent {

struct CompileOptions {
  std::vector<std::string> interpreters;
  std::vector<unsigned> optimizations{0};
  std::string workspace;  // prefix of every co_filename
};

class CompileLane {
 public:
  // Whether this lane may make code for an interpreter with this identity: two names can mean the same one. Null: it
  // cannot make any for now. Where somebody else makes a tag's code from now on, every source is wanted again.
  using Claim = std::function<bool(const CompileHelper::Identity*)>;

  // `failures` outlives this.
  CompileLane(uv_loop_t* loop, const CompileOptions& options, std::string interpreter, SegmentWriter& writer,
              CompileFailures& failures, Claim claim);

  void want(ModulePathView path, std::uint64_t source_bytes, CompileQueue::Urgency urgency);
  // The lane that made this one superfluous may make other code now. Not from within this lane's own helper's turn.
  void reconsider();
  std::size_t waiting() const { return queue_.size() + (job_ ? 1 : 0); }

  // What can be said of the interpreter.
  struct Report {
    std::string interpreter;
    std::string tag;      // "" before it has said who it is
    std::string trouble;  // why it cannot be run now, or that it does not answer, or ""
    std::string advice;   // what to do about it
  };
  Report report() const;

 private:
  //            want            restart_             on_ready           want
  //   kAsleep -------> kResting --------> kStarting --------> kReady -------> kCompiling
  //                                                              <------- on_compiled, and nothing waits
  //
  // kReady becomes kDismissed when idle_ fires; when that helper has ended, kAsleep, or kResting if something came in.
  // A helper that ends unasked leaves kResting. kStarting may turn out to be kSuperfluous,
  // until reconsider().
  enum class State {
    kAsleep,       // no helper, and nothing to do
    kResting,      // no helper: restart_ starts the next
    kStarting,     // the helper has not said who it is
    kReady,        // it has nothing to do; idle_ runs
    kCompiling,    // it is busy with job_
    kDismissed,    // it had nothing to do for long, and was told to end
    kSuperfluous,  // another lane makes the same code
  };
  struct Job {
    ModulePath path;
    layout::Checksum digest;
    unsigned optimization = 0;
  };

  void rest(std::chrono::milliseconds before_restart);
  void start_helper();
  void compile_next();
  void dismiss();
  void on_ready(const CompileHelper::Identity& identity);
  void on_compiled(std::string_view code);
  void on_failed(const CompileHelper::Failure& failure);
  void on_ended(const std::string& why);
  void note_crash(const std::string& why);
  void note_unusable(const std::string& why);
  std::optional<Job> next_job();
  CodeTag tag_for(unsigned optimization) const;
  std::string file_name_of(ModulePathView path) const;
  void fail(const Job& job, const CompileHelper::Failure& failure);

  uv_loop_t* loop_;
  const CompileOptions& options_;
  const std::string interpreter_;
  SegmentWriter& writer_;
  CompileFailures& failures_;
  Claim claim_;
  CompileQueue queue_;
  std::unique_ptr<CompileHelper> helper_;
  Timer restart_;  // also destroys the helper before, in a turn of its own
  Timer idle_;
  std::chrono::milliseconds backoff_{0};
  State state_ = State::kResting;
  CompileHelper::Identity identity_;  // of the newest helper that was ready
  std::optional<Job> job_;            // kCompiling
  std::string trouble_;               // why it could not be run at the last attempt
  std::string advice_;
};

}  // namespace bifrost::agent
