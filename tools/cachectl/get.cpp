// get PATH - the source on stdout, byte for byte, whatever the output format.
#include <string>

#include "tools/cachectl/module_entry.hpp"
#include "tools/cachectl/segment_access.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

class GetCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("PATH", path_, "storage path, as in shared/halopsa.py")->required()->type_name("");
  }

  ExitCode run(Context& context) override {
    const auto segment = attach_for_reading(context.settings);
    if (!segment) return fail(segment.error());
    const auto answer = find_module(**segment, path_, true);
    if (!answer) return fail(answer.error());
    switch (answer->status) {
      case Lookup::kHit: context.out.write(answer->source); return ExitCode::kSuccess;
      case Lookup::kNotMirrored:
        say(fmt::format("{} is in Redis but not mirrored: {}", path_, answer->entry.reason));
        return ExitCode::kError;
      case Lookup::kDamaged: say_damaged(path_); return ExitCode::kDifferences;
      default: say_no_such_module(path_, answer->generation); return ExitCode::kNoSuchModule;
    }
  }

 private:
  std::string path_;
};

}  // namespace

std::unique_ptr<Command> make_get() {
  return std::make_unique<GetCommand>();
}

}  // namespace bifrost::cachectl
