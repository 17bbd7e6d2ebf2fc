// config - the settings that the running agent goes by, and where each came from.
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "common/control/control_protocol.hpp"
#include "tools/cachectl/agent_access.hpp"
#include "tools/cachectl/agent_words.hpp"
#include "tools/cachectl/table.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

class ConfigCommand final : public Command {
 public:
  ExitCode run(Context& context) override {
    AgentConnection agent(context.segment_dir());
    await_agent(context, agent);
    const auto document = ask_document_with(agent, std::string(control::kConfig), "settings", Deadline(kAgentTime));
    if (!document) return fail_without_agent(document.error());
    if (context.format == OutputFormat::kJson) {
      write_json(context.out, document->at("settings"));
    } else {
      write_table(context.out, document->at("settings"));
    }
    return ExitCode::kSuccess;
  }

 private:
  static void write_json(Output& out, const nlohmann::ordered_json& settings) {
    nlohmann::ordered_json shown = nlohmann::ordered_json::object();
    for (const auto& s : settings) {
      shown[s.value("key", "")] = {{"value", s.value("value", "")}, {"origin", s.value("origin", "")}};
    }
    out.json({{"schema", 1}, {"settings", shown}});
  }

  static void write_table(Output& out, const nlohmann::ordered_json& settings) {
    Table table({{"SETTING"},
                 {"VALUE", Table::Align::kLeft, Table::Cut::kEnd, 20},
                 {"FROM", Table::Align::kLeft, Table::Cut::kEnd, 20}});
    for (const auto& s : settings) {
      const std::string value = printable(s.value("value", ""));
      table.row({printable(s.value("key", "")), value.empty() ? "-" : value, printable(s.value("origin", ""))});
    }
    table.write_to(out);
  }
};

}  // namespace

std::unique_ptr<Command> make_config() {
  return std::make_unique<ConfigCommand>();
}

}  // namespace bifrost::cachectl
