#include "tools/cachectl/dev_report.hpp"

#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

#include "tools/cachectl/dev_worker.hpp"
#include "tools/cachectl/text.hpp"

namespace bifrost::cachectl {
namespace {

using nlohmann::ordered_json;

// "14:07:31", as the clock on the wall has it.
std::string local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

class Lines final : public DevReport {
 public:
  explicit Lines(Output& out) : out_(out) {}

  // What there is, and what to type in another terminal.
  void started(const DevStart& start) override {
    const std::string directory = printable(start.directory);
    if (!start.prefix.empty())
      out_.print("{} is a package: its modules are {}...\n", directory, printable(start.prefix));
    for (const std::string& path : start.left_out) out_.print("left out: {} (installed code)\n", printable(path));
    for (const DevChange& c : start.skipped) out_.print("skipped: {}: {}\n", printable(c.path), printable(c.why));
    const std::string count = start.modules == 1 ? "1 module" : fmt::format("{} modules", start.modules);
    out_.paragraph(
        "",
        fmt::format("{} of {} {} mirrored. In another terminal:", count, directory, start.modules == 1 ? "is" : "are"),
        0);
    out_.line("");
    // One each: a terminal would break a longer line within a word.
    for (const auto& [name, value] : start.environment) out_.print("  export {}={}\n", name, shell_word(value));
    if (!start.package.empty()) {
      out_.print("  export PYTHONPATH={}${{PYTHONPATH:+:$PYTHONPATH}}\n", shell_word(start.package));
    }
    out_.print("  {} -m bifrost_cache run --verbose {}\n\n", shell_word(start.interpreter.value_or("python3")),
               start.target.empty() ? "your.module:function" : start.target);
    if (!start.interpreter) {
      const std::string tag = package_tag();
      out_.paragraph("",
                     "No code is shared, because no interpreter was found that can import bifrost_cache: " +
                         (tag.empty() ? "install the package for your interpreter"
                                      : "this build is for " + tag + ", so use an interpreter of that version"),
                     0);
    }
  }

  void watching() override {
    out_.line("Save a file, and the next execution runs it. Ctrl-C ends.");
    out_.flush();
  }

  void changed(Generation generation, const DevChange& change) override {
    out_.print("{}  generation {:<4} {:<8} {}{}\n", local_time(), generation.value, change.what, printable(change.path),
               change.why.empty() ? "" : ": " + printable(change.why));
    out_.flush();
  }

  void does_not_compile(const CompileFailure& failure) override {
    out_.print("{}  {}, {}\n", out_.toned("does not compile", Output::Tone::kBad), printable(failure.path),
               printable(failure.where_and_why()));
    out_.flush();
  }

  void stopped() override { out_.line("stopped; nothing is left running"); }

 private:
  Output& out_;
};

class Objects final : public DevReport {
 public:
  explicit Objects(Output& out) : out_(out) {}

  void started(const DevStart& start) override {
    ordered_json environment = ordered_json::object();
    for (const auto& [name, value] : start.environment) environment[name] = value;
    ordered_json skipped = ordered_json::array();
    for (const DevChange& c : start.skipped) skipped.push_back({{"path", c.path}, {"reason", c.why}});
    write("started", {{"directory", start.directory},
                      {"prefix", start.prefix},
                      {"modules", start.modules},
                      {"left_out", start.left_out},
                      {"skipped", skipped},
                      {"environment", environment},
                      {"package", or_null(start.package)},
                      {"python", or_null(start.interpreter.value_or(""))},
                      {"target", or_null(start.target)}});
  }

  void watching() override { write("watching", ordered_json::object()); }

  void changed(Generation generation, const DevChange& change) override {
    write(change.what, {{"generation", generation.value}, {"path", change.path}, {"reason", or_null(change.why)}});
  }

  void does_not_compile(const CompileFailure& failure) override {
    write("not_compiled", {{"path", failure.path},
                           {"line", failure.line == 0 ? ordered_json() : ordered_json(failure.line)},
                           {"message", failure.message}});
  }

  void stopped() override { write("stopped", ordered_json::object()); }

 private:
  static ordered_json or_null(const std::string& text) { return text.empty() ? ordered_json() : ordered_json(text); }

  void write(std::string_view event, const ordered_json& members) {
    ordered_json shown = {{"schema", 1}, {"event", event}};
    shown.update(members);
    out_.line(json_line(shown));
    out_.flush();
  }

  Output& out_;
};

}  // namespace

std::unique_ptr<DevReport> DevReport::make(Output& out, OutputFormat format) {
  if (format == OutputFormat::kJson) return std::make_unique<Objects>(out);
  return std::make_unique<Lines>(out);
}

}  // namespace bifrost::cachectl
