// exists PATH - the answer is the exit code; a module that only Redis holds exists, too.
#include <string>

#include "tools/cachectl/module_entry.hpp"
#include "tools/cachectl/segment_access.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

class ExistsCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("PATH", path_, "storage path, as in shared/halopsa.py")->required()->type_name("");
  }

  ExitCode run(Context& context) override {
    const auto segment = attach_for_reading(context.settings);
    if (!segment) return fail(segment.error());
    const auto answer = find_module(**segment, path_, false);
    if (!answer) return fail(answer.error());
    switch (answer->status) {
      case Lookup::kHit:
      case Lookup::kNotMirrored: return ExitCode::kSuccess;
      case Lookup::kDamaged: say_damaged(path_); return ExitCode::kDifferences;
      default: return ExitCode::kNoSuchModule;
    }
  }

 private:
  std::string path_;
};

}  // namespace

std::unique_ptr<Command> make_exists() {
  return std::make_unique<ExistsCommand>();
}

}  // namespace bifrost::cachectl
