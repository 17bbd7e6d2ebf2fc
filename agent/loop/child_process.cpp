#include "agent/loop/child_process.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include <array>
#include <cstring>
#include <utility>

namespace bifrost::agent {

struct ChildProcess::State {
  uv_process_t process{};
  uv_pipe_t in{};
  uv_pipe_t out{};
  Callbacks callbacks;
  std::array<char, 65536> buffer{};
  bool exited = false;
  bool out_ended = false;
  bool abandoned = false;       // nothing is called any more
  std::shared_ptr<State> self;  // until libuv has let go of the handles
  int open_handles = 0;
  std::string how;

  static State& of(void* data) { return *static_cast<State*>(data); }

  template <class Handle>
  void close(Handle& handle) {
    auto* h = reinterpret_cast<uv_handle_t*>(&handle);
    if (uv_is_closing(h) != 0) return;
    uv_close(h, [](uv_handle_t* closed) {
      State& s = of(closed->data);
      if (closed == reinterpret_cast<uv_handle_t*>(&s.out)) s.on_end_of_output();
      if (--s.open_handles == 0) s.self.reset();
    });
  }
  void close_all() {
    close(process);
    close(in);
    close(out);
  }

  void on_end_of_output() {
    out_ended = true;
    finish_when_over();
  }
  // The exit and the end of output arrive in either order; what was written before the end still counts.
  void finish_when_over() {
    if (!exited || !out_ended || abandoned) return;
    abandoned = true;
    const auto on_exit = std::move(callbacks.on_exit);
    const std::string reason = how;
    close_all();
    on_exit(reason);
  }
};

namespace {

std::string description_of(std::int64_t status, int signal) {
  if (signal != 0) return std::string("ended by signal ") + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
  return "ended with status " + std::to_string(status);
}

void restrict(pid_t pid, const ChildProcess::Limits& limits) {
  const rlimit memory{limits.memory_bytes, limits.memory_bytes};
  ::prlimit(pid, RLIMIT_AS, &memory, nullptr);
  const rlimit no_core{0, 0};
  ::prlimit(pid, RLIMIT_CORE, &no_core, nullptr);
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(pid), limits.niceness);
}

}  // namespace

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(uv_loop_t* loop, const std::vector<std::string>& command,
                                                          const Limits& limits, Callbacks callbacks) {
  const auto state = std::make_shared<State>();
  state->self = state;
  state->callbacks = std::move(callbacks);
  for (void** data : {&state->process.data, &state->in.data, &state->out.data}) *data = state.get();
  uv_pipe_init(loop, &state->in, 0);
  uv_pipe_init(loop, &state->out, 0);
  state->open_handles = 3;

  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  char* no_environment[] = {nullptr};
  uv_stdio_container_t stdio[3];
  stdio[0].flags = static_cast<uv_stdio_flags>(UV_CREATE_PIPE | UV_READABLE_PIPE);
  stdio[0].data.stream = reinterpret_cast<uv_stream_t*>(&state->in);
  stdio[1].flags = static_cast<uv_stdio_flags>(UV_CREATE_PIPE | UV_WRITABLE_PIPE);
  stdio[1].data.stream = reinterpret_cast<uv_stream_t*>(&state->out);
  stdio[2].flags = UV_IGNORE;
  uv_process_options_t options{};
  options.file = argv.front();
  options.args = argv.data();
  options.env = no_environment;
  options.flags = UV_PROCESS_DETACHED;  // a group of its own: what it starts is killed with it
  options.stdio_count = 3;
  options.stdio = stdio;
  options.exit_cb = [](uv_process_t* process, std::int64_t status, int signal) {
    State& s = State::of(process->data);
    s.exited = true;
    s.how = description_of(status, signal);
    s.close(s.in);  // whatever it has left behind need not wait for more
    s.finish_when_over();
  };
  const int err = uv_spawn(loop, &state->process, &options);
  if (err != 0) {
    state->abandoned = true;
    state->close_all();
    return Error{ErrorCode::kIo, command.front() + " cannot be started: " + uv_strerror(err)};
  }
  restrict(state->process.pid, limits);
  uv_read_start(
      reinterpret_cast<uv_stream_t*>(&state->out),
      [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
        State& s = State::of(handle->data);
        *buffer = uv_buf_init(s.buffer.data(), static_cast<unsigned>(s.buffer.size()));
      },
      [](uv_stream_t* stream, ssize_t bytes, const uv_buf_t*) {
        State& s = State::of(stream->data);
        if (s.abandoned) return;
        if (bytes > 0) return s.callbacks.on_output({s.buffer.data(), static_cast<std::size_t>(bytes)});
        if (bytes == 0) return;
        uv_read_stop(stream);
        s.on_end_of_output();
      });
  return std::unique_ptr<ChildProcess>(new ChildProcess(state));
}

ChildProcess::~ChildProcess() {
  if (state_->abandoned) return;
  kill();
  // libuv forgets a process whose handle is closed: without this the child would stay a zombie.
  if (!state_->exited) ::waitpid(state_->process.pid, nullptr, 0);
  state_->abandoned = true;
  state_->close_all();
}

void ChildProcess::write(std::string bytes) {
  if (state_->abandoned || state_->exited || uv_is_closing(reinterpret_cast<uv_handle_t*>(&state_->in)) != 0) return;
  struct Request {
    uv_write_t write{};
    std::string bytes;
  };
  auto* request = new Request{{}, std::move(bytes)};
  request->write.data = request;
  const uv_buf_t buffer = uv_buf_init(request->bytes.data(), static_cast<unsigned>(request->bytes.size()));
  const auto done = [](uv_write_t* write, int) { delete static_cast<Request*>(write->data); };
  // A child that is gone is reported by its exit.
  if (uv_write(&request->write, reinterpret_cast<uv_stream_t*>(&state_->in), &buffer, 1, done) != 0) delete request;
}

void ChildProcess::allow_cpu(std::chrono::seconds more) {
  if (state_->abandoned || state_->exited) return;
  clockid_t clock = 0;
  timespec used{};
  if (::clock_getcpuclockid(state_->process.pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return;
  const auto limit = static_cast<rlim_t>(used.tv_sec + more.count());
  const rlimit cpu{limit, RLIM_INFINITY};
  ::prlimit(state_->process.pid, RLIMIT_CPU, &cpu, nullptr);
}

void ChildProcess::kill() {
  if (state_->abandoned) return;
  if (!state_->exited) ::kill(-state_->process.pid, SIGKILL);  // later the number may be another group's
  // Whoever has left the group may hold the output open for ever.
  state_->close(state_->in);
  state_->close(state_->out);
}

}  // namespace bifrost::agent
