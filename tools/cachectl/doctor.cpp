// doctor - examines the node and says what to change, command by command. Reads only; Redis is asked, not told.
#include "tools/cachectl/doctor.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/cachectl/redis_access.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

using Grade = Diagnosis::Grade;

constexpr std::size_t kBesideGrade = 6;  // columns

std::string_view name_of(Grade grade) {
  switch (grade) {
    case Grade::kGood: return "ok";
    case Grade::kNote: return "note";
    case Grade::kBad: return "BAD";
  }
  return "BAD";
}

// Without credentials.
std::string shown(const Settings& settings, Setting id) {
  if (id != Setting::kRedisUrl) return settings.get(id);
  return redis_name(settings);
}

class DoctorCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("--python", interpreters_, "an interpreter of the workers; may be repeated [python3]")
        ->type_name("EXE")
        ->allow_extra_args(false);
    app.add_flag("--settings", with_settings_, "also show every setting and where its value comes from");
  }

  ExitCode run(Context& context) override {
    Diagnoses all;
    examine_directory(context, all);
    examine_mirror(context, all);
    examine_redis(context, all);
    examine_python(context, interpreters_, all);
    if (context.format == OutputFormat::kJson) {
      write_json(context, all);
    } else {
      write_text(context, all);
    }
    const bool bad = std::any_of(all.begin(), all.end(), [](const Diagnosis& d) { return d.grade == Grade::kBad; });
    return bad ? ExitCode::kUnhealthy : ExitCode::kSuccess;
  }

 private:
  static void write_json(Context& context, const Diagnoses& all) {
    nlohmann::ordered_json settings = nlohmann::ordered_json::object();
    for (const SettingInfo& info : setting_table()) {
      settings[std::string(info.key)] = {{"value", shown(context.settings, info.id)},
                                         {"origin", context.settings.entry(info.id).origin}};
    }
    nlohmann::ordered_json findings = nlohmann::ordered_json::array();
    bool healthy = true;
    for (const Diagnosis& d : all) {
      healthy = healthy && d.grade != Grade::kBad;
      std::string grade(name_of(d.grade));
      if (d.grade == Grade::kBad) grade = "bad";
      findings.push_back({{"part", d.part}, {"grade", grade}, {"what", d.what}, {"advice", d.advice}});
    }
    context.out.json({{"schema", 1}, {"healthy", healthy}, {"findings", findings}, {"settings", settings}});
  }

  void write_text(Context& context, const Diagnoses& all) const {
    Output& out = context.out;
    if (with_settings_) {
      for (const SettingInfo& info : setting_table()) {
        out.print("setting  {} = {}  # {}\n", info.key, printable(shown(context.settings, info.id)),
                  context.settings.entry(info.id).origin);
      }
      out.line("");
    }
    std::size_t bad = 0;
    std::size_t notes = 0;
    for (const Diagnosis& d : all) {
      const auto tone = d.grade == Grade::kGood   ? Output::Tone::kGood
                        : d.grade == Grade::kNote ? Output::Tone::kWarning
                                                  : Output::Tone::kBad;
      bad += d.grade == Grade::kBad ? 1 : 0;
      notes += d.grade == Grade::kNote ? 1 : 0;
      const std::string padding(kBesideGrade - name_of(d.grade).size(), ' ');
      out.paragraph(out.toned(name_of(d.grade), tone) + padding, fmt::format("{}: {}", d.part, printable(d.what)),
                    kBesideGrade);
      if (!d.advice.empty()) out.paragraph("      do: ", printable(d.advice), kBesideGrade + 4);
    }
    out.print("\n{} bad, {} to note, {} ok\n", bad, notes, all.size() - bad - notes);
  }

  std::vector<std::string> interpreters_;
  bool with_settings_ = false;
};

}  // namespace

std::unique_ptr<Command> make_doctor() {
  return std::make_unique<DoctorCommand>();
}

}  // namespace bifrost::cachectl
