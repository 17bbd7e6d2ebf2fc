// command.hpp - what every verb is: options to declare, then one run.
//
// A verb writes data through Context::out and messages through say(); it never calls exit. Errors end as
// `return fail(error)`.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "common/base/module_path.hpp"
#include "common/base/settings.hpp"
#include "common/cli/command_tree.hpp"
#include "tools/cachectl/exit_code.hpp"
#include "tools/cachectl/output.hpp"

namespace CLI {
class App;  // its header takes three seconds to compile: only verbs that declare options include it
}

namespace bifrost::cachectl {

struct Context {
  const Settings& settings;
  OutputFormat format;
  Output& out;
  const CLI::App& program;                // for `help VERB`
  const std::string& program_help;        // for `help`
  const cli::CommandEntry& command_line;  // the whole of it, as data
  std::chrono::milliseconds patience{0};  // how long a segment or an agent may take to appear
  bool assume_yes = false;
  std::optional<std::string> withheld_config = {};  // the file that might have said more, but not to this user

  const std::string& segment_dir() const { return settings.get(Setting::kSegmentDir); }
};

class Command {
 public:
  virtual ~Command() = default;
  // Binds the verb's own options to members.
  virtual void declare(CLI::App&) {}
  virtual ExitCode run(Context& context) = 0;
};

// CLI11 check for what storage paths can begin with.
inline const auto kPrefixCheck = [](const std::string& text) {
  const auto fault = paths::fault_in_prefix(text);
  return fault ? "no path begins like this: " + std::string(reason_text(*fault)) : std::string();
};

// CLI11 check for a generation. CLI11 itself takes "-1" for the largest number.
inline const auto kGenerationCheck = [](const std::string& text) {
  constexpr std::size_t kMostDigits = 19;  // fit 64 bits, whatever they are
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  return digits && text.size() <= kMostDigits ? std::string() : "a generation is a whole number of at most 19 digits";
};

// CLI11 check for "250ms", "10s", "2m".
inline const auto kDurationCheck = [](const std::string& text) {
  const auto parsed = parse_duration_ms(text);
  return parsed ? std::string() : parsed.error().message;
};

}  // namespace bifrost::cachectl
