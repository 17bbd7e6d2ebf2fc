#include "tools/cachectl/output.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "common/cli/screen_text.hpp"
#include "tools/cachectl/text.hpp"

namespace bifrost::cachectl {
namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;

// 0, or errno.
int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

std::string dumped(const nlohmann::ordered_json& document, int indent) {
  return document.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

bool wants_colours(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  return is_screen(fd) && (no_color == nullptr || *no_color == '\0');
}

bool is_screen(int fd) {
  if (::isatty(fd) == 0) return false;
  const char* term = std::getenv("TERM");
  return term != nullptr && *term != '\0' && std::strcmp(term, "dumb") != 0;
}

Output::Output(int fd, Colour colour, bool headers)
    : fd_(fd),
      colours_(colour == Colour::kAlways || (colour == Colour::kAuto && wants_colours(fd))),
      headers_(headers),
      width_(cli::terminal_width(fd)) {}

void Output::write(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= kBufferBytes) flush();
}

void Output::line(std::string_view text) {
  write(text);
  write("\n");
}

void Output::paragraph(std::string_view label, std::string_view text, std::size_t indent) {
  write(cli::paragraph(label, text, width_, indent));
}

void Output::json(const nlohmann::ordered_json& document) {
  line(dumped(document, 2));
}

std::string json_line(const nlohmann::ordered_json& document) {
  return dumped(document, -1);
}

void Output::flush() {
  if (!closed_ && error_ == 0) {
    const int error = write_all(fd_, buffer_);
    closed_ = error == EPIPE;
    if (!closed_) error_ = error;
  }
  buffer_.clear();
}

bool Output::in_vain() {
  // Also while there is nothing to write: a pipe without a reader is in error.
  pollfd p{fd_, 0, 0};
  if (::poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0) closed_ = true;
  return closed_ || error_ != 0;
}

Status Output::finish() {
  flush();
  if (error_ != 0) return Error{ErrorCode::kIo, std::string("cannot write the answer: ") + std::strerror(error_)};
  return Done{};
}

std::string Output::toned(std::string_view text, Tone tone) const {
  if (!colours_) return std::string(text);
  const std::string_view colour = tone == Tone::kGood ? "32" : tone == Tone::kWarning ? "33" : "31";
  return fmt::format("\x1b[{}m{}\x1b[0m", colour, text);
}

void say(std::string_view message) {
  // A message that cannot be written has nobody to be told to.
  constexpr std::size_t kIndent = 2;
  const std::string text = "bifrost-cachectl: " + printable(message);
  std::string shown;
  for (const std::string& line : cli::wrapped(text, cli::terminal_width(STDERR_FILENO), kIndent)) {
    shown += (shown.empty() ? "" : std::string(kIndent, ' ')) + line + "\n";
  }
  static_cast<void>(write_all(STDERR_FILENO, shown));
}

ExitCode fail(const Error& error) {
  say(error.message);
  return exit_code_of(error.code);
}

}  // namespace bifrost::cachectl
