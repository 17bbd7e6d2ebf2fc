// version - of this program, and of the segments that it can read.
#include <nlohmann/json.hpp>

#include "common/layout/segment_layout.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

class VersionCommand final : public Command {
 public:
  ExitCode run(Context& context) override {
    if (context.format == OutputFormat::kJson) {
      context.out.json({{"schema", 1}, {"version", BIFROST_VERSION}, {"layout_version", layout::kLayoutVersion}});
    } else {
      context.out.print("bifrost-cachectl {} (segment layout {})\n", BIFROST_VERSION, layout::kLayoutVersion);
    }
    return ExitCode::kSuccess;
  }
};

}  // namespace

std::unique_ptr<Command> make_version() {
  return std::make_unique<VersionCommand>();
}

}  // namespace bifrost::cachectl
