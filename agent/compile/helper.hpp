// helper.hpp - one interpreter as a process of its own that turns sources into marshalled code.
//
// compile() runs nothing of what it compiles, but it can take long, take much memory, and crash on what was made to
// crash it. So it happens elsewhere, with limits, and a helper that dies is only an answer that did not come.
// Protocol: agent/compile/helper.py. Belongs to the loop's thread.
#pragma once

#include <uv.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/loop/child_process.hpp"
#include "agent/loop/event_loop.hpp"
#include "common/base/clock.hpp"
#include "common/base/result.hpp"

namespace bifrost::agent {

class CompileHelper {
 public:
  static constexpr std::uint64_t kMemoryBytes = std::uint64_t{2} << 30;
  static constexpr std::chrono::seconds kProcessorTime{60};  // for one module: the largest SDKs take about one second
  static constexpr std::chrono::seconds kPatience{180};      // wall clock, for a machine that is busy with its workers
  static constexpr std::uint64_t kMaxIdentityBytes = 1024;
  static constexpr std::uint64_t kMaxCodeBytes = std::uint64_t{64} << 20;
  static constexpr std::uint64_t kMaxAnswerBytes = kMaxCodeBytes + kMaxIdentityBytes;

  struct Identity {
    std::string cache_tag;
    std::uint32_t magic = 0;
    bool operator==(const Identity&) const = default;
  };
  struct Failure {
    std::uint64_t line = 0;    // 0: not known
    std::string_view message;  // the exception's name and what it says
  };
  struct Callbacks {
    std::function<void(const Identity&)> on_ready;
    // Marshalled code, or why there is none. Then the next request may come.
    std::function<void(std::string_view code)> on_compiled;
    std::function<void(const Failure& failure)> on_failed;
    // It has ended, or been ended because it did not keep to protocol or limits. Destroy it in a later turn.
    std::function<void(const std::string& why)> on_ended;
  };

  static Result<std::unique_ptr<CompileHelper>> start(uv_loop_t* loop, const std::string& interpreter,
                                                      Callbacks callbacks);

  // One request at a time, after on_ready.
  void compile(unsigned optimization, const std::string& file_name, std::string_view source);

  // Since when it owes an answer, if it does.
  std::optional<BootTime> owes_since() const { return owes_since_; }

  // Ends it; on_ended follows.
  void dismiss() { give_up("dismissed"); }

 private:
  CompileHelper(uv_loop_t* loop, Callbacks callbacks);
  void on_output(std::string_view bytes);
  void on_frame(std::string_view payload);
  void give_up(const std::string& why);
  void wait_for_answer();
  void answered();

  Callbacks callbacks_;
  std::unique_ptr<ChildProcess> process_;
  Timer patience_;
  std::optional<BootTime> owes_since_;
  std::string received_;
  std::string why_given_up_;
  bool ready_ = false;
  bool busy_ = false;
};

}  // namespace bifrost::agent
