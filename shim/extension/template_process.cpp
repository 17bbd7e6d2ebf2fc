#include "shim/extension/template_process.hpp"

#include <pybind11/stl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <set>

#include "shim/core/prefault.hpp"
#include "shim/extension/docstrings.hpp"
#include "shim/extension/held_code.hpp"
#include "shim/extension/hook.hpp"
#include "shim/extension/import_log.hpp"
#include "shim/extension/requested_scope.hpp"

namespace bifrost {
namespace {

std::map<std::string, std::string> hold_code(const std::vector<std::string>& paths, std::uint64_t most_bytes) {
  const auto state = Hook::instance().state();
  if (state == nullptr) return {};
  return HeldCode::instance().hold(state, paths, most_bytes);
}

bool settle() {
  const auto state = Hook::instance().state();
  if (state == nullptr) return true;
  const bool current = state->still_stands_in(*state->view());
  state->let_go();
  return current;
}

void end_with_parent(pid_t parent) {
  // Whoever ended before this call sends no signal any more.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) ::raise(SIGKILL);
}

py::list watched_imports() {
  py::list entries;
  for (const ImportLog::Entry& entry : ImportLog::instance().entries()) {
    if (!entry.failed) entries.append(py::make_tuple(entry.name, entry.path, entry.within, entry.bytes, entry.held));
  }
  return entries;
}

std::set<std::string> failed_imports() {
  std::set<std::string> names;
  for (const ImportLog::Entry& entry : ImportLog::instance().entries()) {
    if (entry.failed) names.insert(entry.name);
  }
  return names;
}

std::vector<std::string> present_roots() {
  const auto state = Hook::instance().state();
  return (state ? state->scope() : Scope()).prefixes();
}

}  // namespace

void bind_template_process(py::module_& m) {
  m.def("hold_code", &hold_code, docstrings::kHoldCode, py::arg("paths"), py::arg("most_bytes"));
  m.def(
      "held_code_is_current",
      [] {
        const auto state = Hook::instance().state();
        return state == nullptr || HeldCode::instance().is_current(*state);
      },
      docstrings::kHeldCodeIsCurrent);
  m.def(
      "let_go",
      [] {
        if (const auto state = Hook::instance().state()) state->let_go();
      },
      docstrings::kLetGo);
  m.def("settle", &settle, docstrings::kSettle);
  m.def(
      "keep_asked",
      [] {
        if (const auto state = Hook::instance().state()) state->loaded().keep_asked();
      },
      docstrings::kKeepAsked);
  m.def("end_with_parent", &end_with_parent, docstrings::kEndWithParent, py::arg("parent"));
  m.def("prefault", &prefault, docstrings::kPrefault, py::arg("most_bytes"), py::arg("until"));
  m.def(
      "watch_imports", [](py::object observer) { ImportLog::instance().start(std::move(observer)); },
      docstrings::kWatchImports, py::arg("observer") = py::none());
  m.def("watched_imports", &watched_imports, docstrings::kWatchedImports);
  m.def("failed_imports", &failed_imports, docstrings::kFailedImports);
  m.def(
      "unwatch_imports", [] { ImportLog::instance().stop(); }, docstrings::kUnwatchImports);
  m.def("present_roots", &present_roots, docstrings::kPresentRoots);
  m.def(
      "roots_of",
      [](const OptionalText& solution_id, bool global_repo_access, const OptionalRoots& roots) {
        return requested_scope(solution_id, global_repo_access, roots).prefixes();
      },
      docstrings::kRootsOf, py::arg("solution_id"), py::arg("global_repo_access"), py::arg("roots"));
}

}  // namespace bifrost
