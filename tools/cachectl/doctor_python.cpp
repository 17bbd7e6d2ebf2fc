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
answer["executable"] = sys.executable
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
std::set<std::string> top_level_names(Context& context) {
  std::set<std::string> names;
  const auto segment = attach_segment(context);
  if (!segment) return names;
  const auto list = list_modules(**segment, "");
  if (!list) return names;
  for (const ModuleEntry& entry : list->entries) {
    std::string_view path = entry.path;
    const std::string solutions = std::string(contract::kSolutionsRoot) + "/";
    if (path.substr(0, solutions.size()) == solutions) {
      path.remove_prefix(solutions.size());
      path.remove_prefix(std::min(path.size(), path.find('/') + 1));
    }
    const auto slash = path.find('/');
    names.emplace(slash == std::string_view::npos ? path.substr(0, path.size() - 3) : path.substr(0, slash));
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

void examine_names(Context& context, const std::set<std::string>& ours, const nlohmann::json& python,
                   const std::string& part, Diagnoses& out) {
  if (const std::string hidden = names_in_both(ours, python.at("stdlib")); !hidden.empty()) {
    out.push_back({Grade::kNote, part, "the standard library hides these modules of the workspace: " + hidden,
                   "rename them: the standard library always wins"});
  }
  nlohmann::json packages = nlohmann::json::array();
  const auto& stdlib = python.at("stdlib");
  for (const auto& name : python.at("installed")) {
    if (std::find(stdlib.begin(), stdlib.end(), name) == stdlib.end()) packages.push_back(name);
  }
  const std::string both = names_in_both(ours, packages);
  if (both.empty()) return;
  const bool installed_first = context.settings.get(Setting::kPrecedence) == "installed";
  out.push_back({Grade::kNote, part,
                 (installed_first ? "installed packages hide these modules of the workspace: "
                                  : "the workspace hides these installed packages: ") +
                     both,
                 installed_first ? "rename them, or set BIFROST_PRECEDENCE=workspace"
                                 : "rename them, or set BIFROST_PRECEDENCE=installed"});
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
  const bool autoload = context.settings.get(Setting::kAutoload) == "1";
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
void examine_one(Context& context, const std::string& exe, bool named, const std::set<std::string>& ours,
                 Diagnoses& out) {
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
  examine_code(context, tag, python.value("executable", exe), part, out);
  if (named) examine_hook(context, python.value("pth", false), part, out);
  if (context.settings.get(Setting::kDisable) == "1") {
    out.push_back({Grade::kNote, part, "BIFROST_DISABLE=1: the hook does nothing", "unset BIFROST_DISABLE"});
  }
  examine_names(context, ours, python, part, out);
}

}  // namespace

void examine_python(Context& context, const std::vector<std::string>& named, Diagnoses& out) {
  const std::set<std::string> ours = top_level_names(context);
  for (const std::string& exe : named) examine_one(context, exe, true, ours, out);
  if (named.empty()) examine_one(context, "python3", false, ours, out);
}

}  // namespace bifrost::cachectl
