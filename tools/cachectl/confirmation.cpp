#include "tools/cachectl/confirmation.hpp"

#include <unistd.h>

#include <cerrno>
#include <string>

#include "tools/cachectl/text.hpp"

namespace bifrost::cachectl {

bool needs_yes(const Context& context) {
  return !context.assume_yes && (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0);
}

bool confirmed(const Context& context, std::string_view question) {
  if (context.assume_yes) return true;
  if (needs_yes(context)) return false;
  const std::string prompt = printable(question) + " [y/N] ";
  if (::write(STDERR_FILENO, prompt.data(), prompt.size()) < 0) return false;
  char answer[64];
  const ssize_t n = ::read(STDIN_FILENO, answer, sizeof answer);  // one line; a signal counts as no
  return n > 0 && (answer[0] == 'y' || answer[0] == 'Y');
}

}  // namespace bifrost::cachectl
