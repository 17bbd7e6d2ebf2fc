#include "agent/compile/lane.hpp"

#include <algorithm>
#include <utility>

#include "agent/compile/hidden_interpreter.hpp"
#include "agent/loop/log.hpp"

namespace bifrost::agent {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstBackoff{100};
constexpr milliseconds kMaxBackoff{30'000};
constexpr milliseconds kIdle{10'000};
constexpr std::chrono::seconds kLongSilence{20};  // worth a word; the largest SDKs take about one second

}  // namespace

CompileLane::CompileLane(uv_loop_t* loop, const CompileOptions& options, std::string interpreter, SegmentWriter& writer,
                         CompileFailures& failures, Claim claim)
    : loop_(loop),
      options_(options),
      interpreter_(std::move(interpreter)),
      writer_(writer),
      failures_(failures),
      claim_(std::move(claim)),
      restart_(loop, [this] { start_helper(); }),
      idle_(loop, [this] { dismiss(); }) {
  // At once, so that status can tell which code there will be.
  rest(milliseconds(0));
}

void CompileLane::want(ModulePathView path, std::uint64_t source_bytes, CompileQueue::Urgency urgency) {
  if (state_ == State::kSuperfluous) return;
  queue_.want(path, source_bytes, urgency);
  if (state_ == State::kAsleep) rest(milliseconds(0));
  if (state_ == State::kReady) compile_next();
}

CompileLane::Report CompileLane::report() const {
  Report report{interpreter_, identity_.cache_tag, trouble_, advice_};
  const auto since = helper_ != nullptr ? helper_->owes_since() : std::nullopt;
  if (!since || !trouble_.empty()) return report;
  const auto silence = std::chrono::duration_cast<std::chrono::seconds>(boot_now().since(*since));
  if (silence < kLongSilence) return report;
  report.trouble = "has not answered for " + std::to_string(silence.count()) + " s" +
                   (job_ ? ", compiling " + job_->path.text() : std::string()) + "; it is ended after " +
                   std::to_string(CompileHelper::kPatience.count()) + " s";
  report.advice = "look at its process: ps --ppid $(pidof bifrost-agent)";
  return report;
}

void CompileLane::compile_next() {
  job_ = next_job();
  state_ = job_ ? State::kCompiling : State::kReady;
  if (!job_) return idle_.once(kIdle);
  idle_.stop();
  const auto source = writer_.source_of(job_->path.text());
  helper_->compile(job_->optimization, file_name_of(job_->path), source->content);
}

// The first of what waits that still has a source without code. Skips no more than what waits.
std::optional<CompileLane::Job> CompileLane::next_job() {
  while (auto path = queue_.take()) {
    const auto source = writer_.source_of(path->text());
    if (!source || queue_.is_poison(*path, source->head.digest)) continue;
    for (const unsigned optimization : options_.optimizations) {
      if (writer_.has_code(path->text(), tag_for(optimization))) continue;
      return Job{std::move(*path), source->head.digest, optimization};
    }
  }
  return std::nullopt;
}

void CompileLane::reconsider() {
  if (state_ != State::kSuperfluous) return;
  helper_.reset();
  rest(milliseconds(0));
}

void CompileLane::rest(milliseconds before_restart) {
  state_ = State::kResting;
  restart_.once(before_restart);
}

void CompileLane::start_helper() {
  helper_.reset();
  state_ = State::kStarting;
  CompileHelper::Callbacks callbacks;
  callbacks.on_ready = [this](const CompileHelper::Identity& identity) { on_ready(identity); };
  callbacks.on_compiled = [this](std::string_view code) { on_compiled(code); };
  callbacks.on_failed = [this](const CompileHelper::Failure& failure) { on_failed(failure); };
  callbacks.on_ended = [this](const std::string& why) { on_ended(why); };
  auto started = CompileHelper::start(loop_, interpreter_, std::move(callbacks));
  if (!started) return on_ended(started.error().message);
  helper_ = std::move(*started);
}

void CompileLane::dismiss() {
  state_ = State::kDismissed;
  helper_->dismiss();
}

void CompileLane::on_ready(const CompileHelper::Identity& identity) {
  const CompileHelper::Identity before = std::exchange(identity_, identity);
  const bool is_new = before != identity;
  trouble_.clear();
  advice_.clear();
  if (is_new && !before.cache_tag.empty()) {
    log::info("interpreter_replaced",
              {{"python", interpreter_}, {"tag", identity.cache_tag}, {"before", before.cache_tag}});
    queue_ = CompileQueue();  // what it held against a module was the other's experience
  }
  if (!claim_(&identity)) {
    if (is_new) log::info("interpreter_superfluous", {{"python", interpreter_}, {"tag", identity.cache_tag}});
    state_ = State::kSuperfluous;
    queue_ = CompileQueue();
    return helper_->dismiss();
  }
  for (const unsigned optimization : options_.optimizations) {
    if (!writer_.announce_tag(tag_for(optimization))) {
      log::error("too_many_code_tags", {{"python", interpreter_}, {"tag", tag_for(optimization).name()}});
    }
  }
  compile_next();
}

void CompileLane::on_compiled(std::string_view code) {
  backoff_ = milliseconds(0);
  const Job job = *std::exchange(job_, std::nullopt);
  const CodeTag tag = tag_for(job.optimization);
  const Attach attached = writer_.attach_code(job.path.text(), job.digest, tag, code);
  if (attached == Attach::kAttached) writer_.count(Counter::kCodeCompiled);
  if (attached == Attach::kOutdated) writer_.count(Counter::kCodeOutdated);
  failures_.forget(job.path, tag.name());
  if (job.optimization != options_.optimizations.back() &&
      (attached == Attach::kAttached || attached == Attach::kPresent)) {
    queue_.want(job.path, 0, CompileQueue::Urgency::kFresh);  // the other levels
  }
  compile_next();
}

void CompileLane::on_failed(const CompileHelper::Failure& failure) {
  backoff_ = milliseconds(0);
  fail(*std::exchange(job_, std::nullopt), failure);
  compile_next();
}

void CompileLane::on_ended(const std::string& why) {
  idle_.stop();
  switch (state_) {
    case State::kSuperfluous: return;
    case State::kDismissed:
      backoff_ = milliseconds(0);
      if (queue_.empty()) {
        state_ = State::kAsleep;
      } else {
        rest(milliseconds(0));
      }
      return;
    case State::kStarting: note_unusable(why); break;
    case State::kAsleep:
    case State::kResting:
    case State::kReady:
    case State::kCompiling: note_crash(why); break;
  }
  rest(backoff_);
}

// It did not come as far as to say who it is. Each reason is logged once, however often it is tried.
void CompileLane::note_unusable(const std::string& why) {
  writer_.count(Counter::kHelperRestarts);
  backoff_ = std::clamp(backoff_ * 2, kFirstBackoff, kMaxBackoff);
  if (trouble_ == why) return;
  trouble_ = why;
  claim_(nullptr);
  const std::string hidden = hidden_behind(interpreter_);
  advice_ = hidden.empty()
                ? "correct python in /etc/bifrost/bifrost.conf, or install it; then systemctl restart bifrost-agent"
                : "the agent's unit hides " + hidden +
                      ": name an interpreter elsewhere, or set ProtectHome=read-only by systemctl edit bifrost-agent";
  log::warn("interpreter_unusable", {{"python", interpreter_}, {"why", why}, {"do", advice_}});
}

void CompileLane::note_crash(const std::string& why) {
  const auto job = std::exchange(job_, std::nullopt);
  writer_.count(Counter::kHelperRestarts);
  backoff_ = std::clamp(backoff_ * 2, kFirstBackoff, kMaxBackoff);
  log::warn("compile_helper_ended", {{"python", interpreter_},
                                     {"why", why},
                                     {"path", job ? job->path.text() : ""},
                                     {"retry_in_ms", static_cast<std::uint64_t>(backoff_.count())}});
  if (!job) return;
  if (!queue_.note_death(job->path, job->digest)) return fail(*job, {0, "the helper did not survive it"});
  const auto source = writer_.source_of(job->path.text());
  if (source) queue_.want(job->path, source->content.size(), CompileQueue::Urgency::kBacklog);
}

// The worker's own compile() will say what is wrong, in the module's name.
void CompileLane::fail(const Job& job, const CompileHelper::Failure& failure) {
  writer_.count(Counter::kCodeFailed);
  const std::string tag = tag_for(job.optimization).name();
  log::info("not_compiled",
            {{"path", job.path.text()}, {"tag", tag}, {"line", failure.line}, {"why", failure.message}});
  failures_.note({std::string(job.path.text()), tag, failure.line, std::string(failure.message)}, job.digest);
}

CodeTag CompileLane::tag_for(unsigned optimization) const {
  return CodeTag(identity_.cache_tag, identity_.magic, static_cast<std::uint8_t>(optimization));
}

std::string CompileLane::file_name_of(ModulePathView path) const {
  return std::string(options_.workspace).append("/").append(path.text());
}

}  // namespace bifrost::agent
