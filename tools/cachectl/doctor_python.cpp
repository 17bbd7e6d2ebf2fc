// What doctor says about the workers' interpreters, and about names that exist twice.
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "common/redis/contract.hpp"
#include "tools/cachectl/child_process.hpp"
#include "tools/cachectl/doctor.hpp"
#include "tools/cachectl/module_entry.hpp"
#include "tools/cachectl/segment_access.hpp"

namespace bifrost::cachectl {
namespace {

using Grade = Diagnosis::Grade;

constexpr std::chrono::seconds kInterpreterTime(20);
constexpr std::size_t kShownNames = 8;

// Runs in the interpreter; must not need more than Python 3.6, so that old ones can say that they are.
constexpr char kProbe[] = R"(
import json, os, pkgutil, site, sys
answer = {"version": sys.version.split()[0], "tag": sys.implementation.cache_tag, "bifrost": None, "error": None}
answer["executable"] = sys.executable or ""
places = site.getsitepackages() + ([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])
answer["pth"] = any(os.path.exists(os.path.join(d, "bifrost_cache_autoload.pth")) for d in places)
answer["installed"] = sorted({m.name for m in pkgutil.iter_modules()})
answer["stdlib"] = sorted(getattr(sys, "stdlib_module_names", ()))
try:
    import bifrost_cache
    answer["bifrost"] = bifrost_cache.__version__
except Exception as error:
    answer["error"] = "%s: %s" % (type(error).__name__, error)
print(json.dumps(answer))
)";

// The first component of the name by which a worker imports each module.
struct TopLevelNames {
  std::set<std::string> modules;      // packages with them
  std::set<std::string> directories;  // without an __init__.py in at least one root: namespaces
};

std::string_view root_of(std::string_view path) {
  const std::string solutions = std::string(contract::kSolutionsRoot) + "/";
  if (!path.starts_with(solutions)) return {};
  return path.substr(0, std::min(path.size(), path.find('/', solutions.size()) + 1));
}

TopLevelNames top_level_names(Context& context) {
  TopLevelNames names;
  const auto segment = attach_segment(context);
  if (!segment) return names;
  const auto list = list_modules(**segment, "");
  if (!list) return names;
  std::set<std::string> regular, directories;  // with their roots
  for (const ModuleEntry& entry : list->entries) {
    const std::string_view path = entry.path;
    const auto slash = path.find('/', root_of(path).size());
    if (slash == std::string_view::npos) {
      regular.emplace(path.substr(0, path.size() - paths::kSuffix.size()));
    } else {
      (path.substr(slash) == paths::kInitFile ? regular : directories).emplace(path.substr(0, slash));
    }
  }
  for (const std::string& top : regular) names.modules.insert(top.substr(root_of(top).size()));
  for (const std::string& top : directories) {
    if (regular.count(top) == 0) names.directories.insert(top.substr(root_of(top).size()));
  }
  return names;
}

std::string names_in_both(const std::set<std::string>& ours, const nlohmann::json& theirs) {
  std::string text;
  std::size_t count = 0;
  for (const auto& name : theirs) {
    if (!name.is_string() || ours.count(name.get<std::string>()) == 0) continue;
    if (count++ < kShownNames) text += (text.empty() ? "" : ", ") + name.get<std::string>();
  }
  if (count > kShownNames) text += fmt::format(" and {} more", count - kShownNames);
  return text;
}

void examine_names(Context& context, const TopLevelNames& ours, const nlohmann::json& python, const std::string& part,
                   Diagnoses& out) {
  const auto note = [&](const std::string& what, const std::string& names, const std::string& advice) {
    if (!names.empty()) out.push_back({Grade::kNote, part, what + names, advice});
  };
  const auto& stdlib = python.at("stdlib");
  std::set<std::string> all = ours.modules;
  all.insert(ours.directories.begin(), ours.directories.end());
  note("the standard library hides these modules of the workspace: ", names_in_both(all, stdlib),
       "rename them: the standard library always wins");

  nlohmann::json packages = nlohmann::json::array();
  for (const auto& name : python.at("installed")) {
    if (std::find(stdlib.begin(), stdlib.end(), name) == stdlib.end()) packages.push_back(name);
  }
  const bool installed_first = context.settings.get(Setting::kPrecedence) == "installed";
  note(installed_first ? "installed packages hide these modules of the workspace: "
                       : "the workspace hides these installed packages: ",
       names_in_both(ours.modules, packages),
       installed_first ? "rename them, or set BIFROST_PRECEDENCE=workspace"
                       : "rename them, or set BIFROST_PRECEDENCE=installed");
  note("installed packages hide these directories of the workspace, which have no __init__.py: ",
       names_in_both(ours.directories, packages),
       "rename them, or give them an __init__.py: an installed package wins over a plain directory, as Python has it");
}

// Whether workers with this interpreter find compiled code; nothing is said where there is no segment.
void examine_code(Context& context, const std::string& tag, const std::string& executable, const std::string& part,
                  Diagnoses& out) {
  const auto segment = attach_segment(context);
  if (!segment) return;
  const auto code = (*segment)->info().code;
  const bool shared =
      std::any_of(code.begin(), code.end(), [&](const auto& c) { return c.made_here && c.tag.cache_tag() == tag; });
  if (shared) return out.push_back({Grade::kGood, part, "the agent shares code for " + tag, ""});
  out.push_back({Grade::kNote, part, "the agent shares no code for " + tag + ": each worker compiles for itself",
                 "add " + executable + " to `python` in /etc/bifrost/bifrost.conf (or bifrost-agent --python " +
                     executable + "), then systemctl restart bifrost-agent"});
}

void examine_hook(Context& context, bool pth, const std::string& part, Diagnoses& out) {
  const std::string& value = context.settings.get(Setting::kAutoload);
  const bool autoload = value == "1";
  if (!autoload && !value.empty() && value != "0") {
    return out.push_back(
        {Grade::kBad, part, "BIFROST_AUTOLOAD=" + value + " installs no hook: only 1 does", "set BIFROST_AUTOLOAD=1"});
  }
  if (autoload && !pth) {
    return out.push_back(
        {Grade::kBad, part, "BIFROST_AUTOLOAD=1, but bifrost_cache_autoload.pth is not in a site directory",
         "install the package into the interpreter's site-packages; PYTHONPATH alone runs no .pth files"});
  }
  out.push_back({Grade::kGood, part,
                 autoload ? "the hook is installed at start-up (BIFROST_AUTOLOAD=1)"
                          : "the hook is installed by the workers themselves (BIFROST_AUTOLOAD is not set)",
                 ""});
}

// An interpreter that nobody named is a guess: what it lacks, the workers' own may have.
void examine_one(Context& context, const std::string& exe, bool named, const TopLevelNames& ours, Diagnoses& out) {
  const std::string part = "python " + exe;
  const std::string name_it = "name the workers' interpreter: bifrost-cachectl doctor --python EXE";
  const auto lacks = [&](const std::string& what, const std::string& advice) {
    out.push_back({named ? Grade::kBad : Grade::kNote, part, what, named ? advice : name_it});
  };
  const auto answer = output_of({exe, "-c", kProbe}, Deadline(kInterpreterTime));
  if (!answer) return lacks(answer.error().message, name_it);
  const auto python = nlohmann::json::parse(answer->out, nullptr, false);
  if (answer->status != 0 || !python.is_object()) {
    return lacks(fmt::format("it ended with status {} and no answer", answer->status),
                 "run it by hand: " + exe + " -c 'import bifrost_cache'");
  }
  const std::string version = python.value("version", "");
  const std::string tag = python.at("tag").is_string() ? python.at("tag").get<std::string>() : "none";
  if (!python.at("bifrost").is_string()) {
    return lacks(fmt::format("{} ({}) cannot import bifrost_cache: {}", version, tag,
                             python.at("error").is_string() ? python.at("error").get<std::string>() : "no reason"),
                 "apt install python3-bifrost-cache, or `pip install .` in the source tree with this interpreter");
  }
  const std::string package = python.at("bifrost").get<std::string>();
  const bool same = package == BIFROST_VERSION;
  out.push_back({same ? Grade::kGood : Grade::kNote, part,
                 fmt::format("{} ({}), bifrost_cache {}", version, tag, package),
                 same ? "" : std::string("install the same release: this program is ") + BIFROST_VERSION});
  const std::string executable = python.value("executable", "");  // Python may not find its own
  examine_code(context, tag, executable.empty() ? exe : executable, part, out);
  if (named) examine_hook(context, python.value("pth", false), part, out);
  const std::string& disable = context.settings.get(Setting::kDisable);
  if (disable == "1") {
    out.push_back({Grade::kNote, part, "BIFROST_DISABLE=1: the hook does nothing", "unset BIFROST_DISABLE"});
  } else if (disable != "0") {
    out.push_back({Grade::kBad, part, "BIFROST_DISABLE=" + disable + " keeps the hook from being installed",
                   "set it to 1, or unset it"});
  }
  examine_names(context, ours, python, part, out);
}

}  // namespace

void examine_python(Context& context, const std::vector<std::string>& named, Diagnoses& out) {
  const TopLevelNames ours = top_level_names(context);
  for (const std::string& exe : named) examine_one(context, exe, true, ours, out);
  if (named.empty()) examine_one(context, "python3", false, ours, out);
}

}  // namespace bifrost::cachectl
