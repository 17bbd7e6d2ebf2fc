#include "agent/compile/helper.hpp"

#include <cstring>
#include <utility>

#include "helper_script.hpp"

namespace bifrost::agent {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr int kNiceness = 10;  // workers come first

std::string little_endian(std::uint32_t number) {
  std::string bytes(kLengthBytes, '\0');
  std::memcpy(bytes.data(), &number, kLengthBytes);
  return bytes;
}
std::uint32_t number_at(std::string_view bytes) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data(), kLengthBytes);
  return number;
}

}  // namespace

Result<std::unique_ptr<CompileHelper>> CompileHelper::start(uv_loop_t* loop, const std::string& interpreter,
                                                            Callbacks callbacks) {
  std::unique_ptr<CompileHelper> helper(new CompileHelper(loop, std::move(callbacks)));
  CompileHelper* const h = helper.get();
  ChildProcess::Callbacks events;
  events.on_output = [h](std::string_view bytes) { h->on_output(bytes); };
  events.on_exit = [h](const std::string& how) {
    h->answered();
    h->callbacks_.on_ended(h->why_given_up_.empty() ? how : h->why_given_up_);
  };
  // Isolated from environment, user site and start-up files; compile() warns about nothing that concerns the agent.
  auto process = ChildProcess::start(
      loop, {interpreter, "-I", "-S", "-B", "-W", "ignore", "-c", kCompileHelperScript, std::to_string(kMaxCodeBytes)},
      {kMemoryBytes, kNiceness}, std::move(events));
  if (!process) return process.error();
  helper->process_ = std::move(*process);
  helper->wait_for_answer();
  return helper;
}

CompileHelper::CompileHelper(uv_loop_t* loop, Callbacks callbacks)
    : callbacks_(std::move(callbacks)), patience_(loop, [this] { give_up("took too long"); }) {}

void CompileHelper::compile(unsigned optimization, const std::string& file_name, std::string_view source) {
  busy_ = true;
  std::string request;
  const std::size_t payload = 1 + kLengthBytes + file_name.size() + source.size();
  request.reserve(kLengthBytes + payload);
  request += little_endian(static_cast<std::uint32_t>(payload));
  request.push_back(static_cast<char>(optimization));
  request += little_endian(static_cast<std::uint32_t>(file_name.size()));
  request += file_name;
  request += source;
  process_->allow_cpu(kProcessorTime);
  wait_for_answer();
  process_->write(std::move(request));
}

void CompileHelper::on_output(std::string_view bytes) {
  if (!why_given_up_.empty()) return;
  received_ += bytes;
  if (received_.size() < kLengthBytes) return;
  const std::uint64_t payload = number_at(received_);
  if (payload == 0 || payload > (ready_ ? kMaxAnswerBytes : kMaxIdentityBytes))
    return give_up("sent a frame of " + std::to_string(payload) + " bytes");
  received_.reserve(kLengthBytes + payload);
  if (received_.size() < kLengthBytes + payload) return;
  if (received_.size() > kLengthBytes + payload) return give_up("said more than it was asked");
  const std::string frame = std::exchange(received_, {});
  on_frame(std::string_view(frame).substr(kLengthBytes));
}

void CompileHelper::on_frame(std::string_view payload) {
  answered();
  if (!std::exchange(ready_, true)) {
    if (payload.size() <= kLengthBytes) return give_up("has no cache tag");
    return callbacks_.on_ready({std::string(payload.substr(kLengthBytes)), number_at(payload)});
  }
  if (!std::exchange(busy_, false)) return give_up("answered without being asked");
  const bool failed = payload.front() != 0;
  payload.remove_prefix(1);
  if (!failed) return callbacks_.on_compiled(payload);
  if (payload.size() < kLengthBytes) return give_up("does not say what failed");
  callbacks_.on_failed({number_at(payload), payload.substr(kLengthBytes)});
}

void CompileHelper::wait_for_answer() {
  patience_.once(kPatience);
  owes_since_ = boot_now();
}

void CompileHelper::answered() {
  patience_.stop();
  owes_since_.reset();
}

void CompileHelper::give_up(const std::string& why) {
  if (!why_given_up_.empty()) return;
  why_given_up_ = why;
  process_->kill();
}

}  // namespace bifrost::agent
