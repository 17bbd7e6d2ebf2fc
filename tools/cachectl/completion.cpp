// completion SHELL - a completion script for bash, zsh or fish, made from the command tree of this very program.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/cli/command_tree.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

using cli::CommandEntry;
using cli::OptionEntry;

// The words of verbs that take the path of a mirrored module, one per line. Anybody who may write a module has chosen
// them: no shell may expand them again.
constexpr std::string_view kModulePaths = "bifrost-cachectl list --paths 2>/dev/null";

bool takes_module_path(const OptionEntry& option) {
  return option.positional && (option.names.front() == "PATH" || option.names.front() == "PREFIX");
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string flags_of(const CommandEntry& command) {
  std::string text;
  for (const OptionEntry& option : command.options) {
    if (!option.positional) text += (text.empty() ? "" : " ") + joined(option.names);
  }
  return text;
}

// For single quotes in every shell.
std::string in_single_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out.push_back(c);
    }
  }
  return out + "'";
}

std::vector<std::string> verb_names(const CommandEntry& program) {
  std::vector<std::string> names;
  for (const CommandEntry& verb : program.commands) names.push_back(verb.name);
  return names;
}

// What completes the value of an option in bash; "" for nothing.
std::string bash_values(const OptionEntry& option, const CommandEntry& program) {
  if (!option.choices.empty()) return "compgen -W '" + joined(option.choices) + "' -- \"$cur\"";
  if (option.names.front() == "VERB") return "compgen -W '" + joined(verb_names(program)) + "' -- \"$cur\"";
  // Not compgen -W, which expands its words as the shell expands a command.
  if (takes_module_path(option)) {
    return std::string(kModulePaths) + " | cur=$cur awk 'index($0, ENVIRON[\"cur\"]) == 1'";
  }
  const std::string& kind = option.positional ? option.names.front() : option.value;
  if (kind == "DIR") return "compgen -d -- \"$cur\"";
  if (kind == "FILE" || kind == "EXE") return "compgen -f -- \"$cur\"";
  return {};
}

void bash_cases_of_values(std::string& out, const CommandEntry& command, const CommandEntry& program) {
  for (const OptionEntry& option : command.options) {
    if (option.positional || option.value.empty()) continue;
    const std::string values = bash_values(option, program);
    std::string pattern;
    for (const std::string& name : option.names) pattern += (pattern.empty() ? "" : "|") + command.name + ":" + name;
    out += "        " + pattern + ") " +
           (values.empty() ? "return" : "mapfile -t COMPREPLY < <(" + values + "); return") + " ;;\n";
  }
}

std::string bash_script(const CommandEntry& program) {
  std::string out =
      "# bash completion for bifrost-cachectl. Use: source <(bifrost-cachectl completion bash)\n"
      "_bifrost_cachectl() {\n"
      "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb='' word i\n"
      "    COMPREPLY=()\n"
      "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "        word=${COMP_WORDS[i]}\n"
      "        case $word in\n            " +
      [&] {
        std::string verbs;
        for (const std::string& name : verb_names(program)) verbs += (verbs.empty() ? "" : "|") + name;
        return verbs;
      }() +
      ") verb=$word; break ;;\n"
      "        esac\n"
      "    done\n"
      "    case ${verb:-" +
      program.name + "}:$prev in\n";
  for (const CommandEntry& verb : program.commands) bash_cases_of_values(out, verb, program);
  out += "    esac\n    case " + program.name + ":$prev in\n";
  bash_cases_of_values(out, program, program);
  out += "    esac\n";
  out += "    if [[ $cur == -* ]]; then\n        case $verb in\n";
  for (const CommandEntry& verb : program.commands) {
    out += "            " + verb.name + ") mapfile -t COMPREPLY < <(compgen -W '" + flags_of(verb) + " " +
           flags_of(program) + "' -- \"$cur\") ;;\n";
  }
  out += "            *) mapfile -t COMPREPLY < <(compgen -W '" + flags_of(program) + "' -- \"$cur\") ;;\n";
  out += "        esac\n        return\n    fi\n    case $verb in\n";
  out += "        '') mapfile -t COMPREPLY < <(compgen -W '" + joined(verb_names(program)) + "' -- \"$cur\") ;;\n";
  for (const CommandEntry& verb : program.commands) {
    for (const OptionEntry& option : verb.options) {
      const std::string values = option.positional ? bash_values(option, program) : "";
      if (!values.empty()) out += "        " + verb.name + ") mapfile -t COMPREPLY < <(" + values + ") ;;\n";
    }
  }
  return out + "    esac\n}\ncomplete -o filenames -F _bifrost_cachectl bifrost-cachectl\n";
}

std::string zsh_action(const OptionEntry& option, const CommandEntry& program) {
  if (!option.choices.empty()) return "(" + joined(option.choices) + ")";
  if (option.names.front() == "VERB") return "(" + joined(verb_names(program)) + ")";
  if (takes_module_path(option)) return "{compadd -- ${(f)\"$(" + std::string(kModulePaths) + ")\"}}";
  const std::string& kind = option.positional ? option.names.front() : option.value;
  if (kind == "DIR") return "_files -/";
  return kind == "FILE" || kind == "EXE" ? "_files" : " ";
}

// Brackets and colons mean something in an _arguments specification.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

std::string zsh_specs(const CommandEntry& command, const CommandEntry& program) {
  std::string out;
  for (const OptionEntry& option : command.options) {
    if (option.positional) {
      out += " \\\n        " + in_single_quotes((option.required ? ":" : "::") + option.names.front() + ":" +
                                                zsh_action(option, program));
      continue;
    }
    for (const std::string& name : option.names) {
      std::string spec = name + "[" + zsh_text(option.help) + "]";
      if (!option.value.empty()) spec += ":" + zsh_text(option.value) + ":" + zsh_action(option, program);
      out += " \\\n        " + in_single_quotes(spec);
    }
  }
  return out;
}

std::string zsh_script(const CommandEntry& program) {
  std::string out =
      "#compdef bifrost-cachectl\n"
      "# zsh completion for bifrost-cachectl: as `_bifrost-cachectl` in a directory of $fpath, or sourced.\n"
      "_bifrost_cachectl() {\n    local context state line\n    typeset -A opt_args\n    local -a verbs=(\n";
  for (const CommandEntry& verb : program.commands) {
    out += "        " + in_single_quotes(zsh_text(verb.name) + ":" + zsh_text(verb.summary)) + "\n";
  }
  out += "    )\n    _arguments -C" + zsh_specs(program, program) +
         " \\\n        '1: :->verb' '*:: :->rest'\n    case $state in\n"
         "        verb) _describe verb verbs ;;\n        rest)\n            case $line[1] in\n";
  for (const CommandEntry& verb : program.commands) {
    out += "                " + verb.name + ") _arguments" + zsh_specs(verb, program) + " ;;\n";
  }
  return out +
         "            esac ;;\n    esac\n}\n"
         "if [ \"$funcstack[1]\" = _bifrost-cachectl ]; then _bifrost_cachectl \"$@\"\n"
         "else compdef _bifrost_cachectl bifrost-cachectl\nfi\n";
}

void fish_option(std::string& out, const OptionEntry& option, const std::string& condition,
                 const CommandEntry& program) {
  std::string line = "complete -c bifrost-cachectl -n " + in_single_quotes(condition);
  if (option.positional) {
    if (!option.choices.empty()) {
      line += " -f -a " + in_single_quotes(joined(option.choices));
    } else if (option.names.front() == "VERB") {
      line += " -f -a " + in_single_quotes(joined(verb_names(program)));
    } else if (takes_module_path(option)) {
      line += " -f -a " + in_single_quotes("(" + std::string(kModulePaths) + ")");
    } else {
      return;
    }
    out += line + "\n";
    return;
  }
  for (const std::string& name : option.names) {
    line += name.size() == 2 ? " -s " + name.substr(1) : " -l " + name.substr(2);
  }
  if (!option.value.empty()) line += " -r";
  if (!option.choices.empty()) line += " -f -a " + in_single_quotes(joined(option.choices));
  out += line + " -d " + in_single_quotes(option.help) + "\n";
}

std::string fish_script(const CommandEntry& program) {
  const std::string verbs = joined(verb_names(program));
  std::string out = "# fish completion for bifrost-cachectl. Use: bifrost-cachectl completion fish | source\n";
  const std::string no_verb = "not __fish_seen_subcommand_from " + verbs;
  for (const OptionEntry& option : program.options) fish_option(out, option, "true", program);
  for (const CommandEntry& verb : program.commands) {
    out += "complete -c bifrost-cachectl -f -n " + in_single_quotes(no_verb) + " -a " + verb.name + " -d " +
           in_single_quotes(verb.summary) + "\n";
    for (const OptionEntry& option : verb.options) {
      fish_option(out, option, "__fish_seen_subcommand_from " + verb.name, program);
    }
  }
  return out;
}

class CompletionCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("SHELL", shell_, "whose completion to print")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}).description(""))
        ->type_name("bash|zsh|fish");
  }

  ExitCode run(Context& context) override {
    const CommandEntry& program = context.command_line;
    const std::string script = shell_ == "bash"  ? bash_script(program)
                               : shell_ == "zsh" ? zsh_script(program)
                                                 : fish_script(program);
    if (context.format == OutputFormat::kJson) {
      context.out.json({{"schema", 1}, {"shell", shell_}, {"script", script}});
    } else {
      context.out.write(script);
    }
    return ExitCode::kSuccess;
  }

 private:
  std::string shell_;
};

}  // namespace

std::unique_ptr<Command> make_completion() {
  return std::make_unique<CompletionCommand>();
}

}  // namespace bifrost::cachectl
