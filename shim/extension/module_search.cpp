#include "shim/extension/module_search.hpp"

#include <algorithm>

#include "shim/extension/asked_host.hpp"
#include "shim/extension/finalisation.hpp"
#include "shim/extension/host_store.hpp"
#include "shim/extension/import_lock.hpp"
#include "shim/extension/importlib_objects.hpp"
#include "shim/extension/left_behind.hpp"
#include "shim/extension/loader.hpp"
#include "shim/extension/module_spec.hpp"
#include "shim/extension/namespace_path.hpp"
#include "shim/extension/warning.hpp"

namespace bifrost {
namespace {

using Kind = Resolution::Kind;

thread_local Absence absence_of_thread;

[[noreturn]] void throw_import_error(const py::object& fullname, const Resolution& refused) {
  const std::string message = "module '" + std::string(py::str(fullname)) + "' cannot be imported: " + refused.reason;
  PyErr_SetImportError(py::str(message).ptr(), fullname.ptr(), nullptr);
  if (refused.cause == nullptr) throw py::error_already_set();
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  PyException_SetCause(value, exception_in(refused.cause).release().ptr());
  PyErr_Restore(type, value, traceback);
  throw py::error_already_set();
}

void check(const py::object& fullname, const std::optional<std::string>& why_refused) {
  if (why_refused) throw_import_error(fullname, Resolution::answer(Kind::kRefused, *why_refused));
}

// A part with a dot would be two in the name of a module.
std::string module_name_of(std::string_view path) {
  std::string name;
  for (const char c : path) {
    name += c == '/'   ? std::string(".")
            : c == '.' ? std::string("%2E")
            : c == '%' ? std::string("%25")
                       : std::string(1, c);
  }
  // No import of that name may mean a file of the workspace, and none gets it from here.
  const std::string top = name.substr(0, name.find('.'));
  if (top == "__main__" || ImportlibObjects::get().reserved_names.contains(top)) name += "%2Epy";
  return name;
}

py::list files_of(const ProcessState& state, const std::vector<std::string>& directories) {
  py::list files;
  for (const std::string& directory : directories) files.append(state.file_of(directory));
  return files;
}

}  // namespace

Resolution resolved_path(ProcessState& state, const std::string& path) {
  const auto in_workspace = state.storage_of(path);
  const auto stored = ModulePathView::parse(in_workspace ? *in_workspace : std::string_view(path));
  if (!stored) {
    throw py::value_error("no module can have the path '" + path + "': " + std::string(reason_text(stored.error())));
  }
  Resolution found = state.find_path(*stored);
  if (found.found() || found.kind == Kind::kNotFound) return found;
  throw_import_error(py::str(path), found);
}

const Absence& ModuleSearch::last_absence() {
  return absence_of_thread;
}

void ModuleSearch::say_what_must_be_said() const {
  if (state_->take_stale_notice()) warn(kServedStale, WarningAt::kImport);
  warn_of_loss(*state_, WarningAt::kImport);
}

py::object ModuleSearch::owned_by_others(const py::object& fullname, const py::object& path,
                                         std::string_view name) const {
  if (name == utf8_of(fullname)) return installed_.find(*state_, fullname, InstalledNames::Search::kAllFinders);
  // Of a namespace that lies in the workspace and on disk, the disk's part is installed.
  if (!py::isinstance<NamespacePath>(path)) return {};
  return found_outside_workspace(*state_, fullname, path.cast<NamespacePath&>().entries());
}

py::object ModuleSearch::regular_on_disk(const py::object& fullname, const py::object& path,
                                         std::string_view name) const {
  if (name == utf8_of(fullname)) return installed_.find(*state_, fullname, InstalledNames::Search::kPath);
  if (path.is_none()) return {};
  if (!py::isinstance<NamespacePath>(path)) return found_outside_workspace(*state_, fullname, path);
  return found_outside_workspace(*state_, fullname, path.cast<NamespacePath&>().entries());
}

py::object ModuleSearch::find(const py::object& fullname, const py::object& path,
                              std::span<const std::string> directories, std::string_view name,
                              NamespaceForm form) const {
  // Of a directory's entries none has such a name; joined to a directory it would be another module's path.
  if (name.find('/') != std::string_view::npos) return py::none();
  Resolution resolution = state_->resolve(directories, name, Asking::kNobody);
  say_what_must_be_said();
  if (state_->is_open(resolution)) {
    if (py::object theirs = owned_by_others(fullname, path, name)) {
      check(fullname, state_->leave_to_others(directories, name, resolution.moves));
      return theirs;
    }
    resolution = state_->resolve(directories, name, Asking::kStore);
    say_what_must_be_said();
  } else if (resolution.kind == Kind::kNamespace && form == NamespaceForm::kWhole) {
    if (py::object theirs = regular_on_disk(fullname, path, name)) {
      // Whoever imports it has gone by this directory's being no package.
      const std::uint64_t moves = resolution.moves;
      resolution.searched.assign(directories.begin(), directories.end());
      state_->loaded().note_found(utf8_of(fullname).value_or(name),
                                  std::make_shared<const Resolution>(std::move(resolution)));
      check(fullname, state_->check_taken(moves));
      return theirs;
    }
  }
  if (resolution.found()) {
    // Or the next execution would look for it elsewhere, and take it for another module.
    const std::string_view full = utf8_of(fullname).value_or(name);
    const bool as_usual =
        name == full ? std::ranges::equal(directories, state_->scope().roots())
                     : state_->loaded().is_package_in(full.substr(0, full.size() - name.size() - 1), directories);
    if (!as_usual) resolution.searched.assign(directories.begin(), directories.end());
    return spec_of(fullname, std::move(resolution), form);
  }
  if (resolution.kind == Kind::kRefused) throw_import_error(fullname, resolution);
  if (resolution.kind == Kind::kUnsettled) return py::none();  // the host's own client asks
  Absence& absence = absence_of_thread;
  absence.callable_asked = resolution.store_asked;
  absence.callable_error.clear();
  if (has_callable() && !host_is_asked_here()) {
    Resolution called = ask_callable(directories, name, absence);
    if (called.found()) {
      state_->view()->takes_what_is_newest();
      return spec_of(fullname, std::move(called), form);
    }
  }
  absence.fullname = utf8_of(fullname).value_or(name);
  absence.directories.assign(directories.begin(), directories.end());
  absence.at = boot_now();
  absence.answer = std::move(resolution);
  return py::none();
}

py::object ModuleSearch::find_path(const std::string& path) const {
  Resolution found = resolved_path(*state_, path);
  say_what_must_be_said();
  if (!found.found()) return py::none();
  const Scope scope = state_->scope();
  // Before `found` is moved from, whose path it is a part of.
  const py::str name(module_name_of(scope.below_root(scope.node_of(*found.path))));
  return spec_of(name, std::move(found), NamespaceForm::kWhole);
}

Resolution ModuleSearch::ask_callable(std::span<const std::string> directories, std::string_view name,
                                      Absence& absence) const {
  for (const std::string& directory : directories) {
    const auto node = ModuleNode::parse(join_node(directory, name));
    if (!node || !state_->scope().admits(node->text())) continue;
    for (const ModulePath& path : candidate_paths(*node)) {
      Resolution answer = call(path, absence);
      if (!answer.found()) continue;
      if (path != node->file()) {
        answer.kind = Kind::kPackage;
        answer.portions = {node->text()};
      }
      return answer;
    }
  }
  return {};
}

Resolution ModuleSearch::call(const ModulePath& path, Absence& absence) const {
  state_->counters().add(ShimCounter::kCallableAsked);
  absence.callable_asked = true;
  py::object text;
  try {
    const AskedHost asked;
    const WithoutImportLock others_may_import;
    const py::str argument(path.text());
    text = py::reinterpret_steal<py::object>(
        run_outside([&] { return PyObject_CallFunctionObjArgs(callable_.ptr(), argument.ptr(), nullptr); }));
    if (!text) throw py::error_already_set();
  } catch (py::error_already_set& e) {
    // The callable is asked for foreign names as well: its trouble must not break the import of installed packages.
    if (!e.matches(PyExc_Exception)) throw;
    state_->counters().add(ShimCounter::kCallableErrors);
    absence.callable_error = py::str(py::type::handle_of(e.value()).attr("__name__"));
    absence.callable_error += ": " + std::string(py::str(e.value()));
    return {};
  }
  if (text.is_none()) return {};
  Resolution found;
  found.kind = Kind::kModule;
  found.path = path;
  std::string content;
  if (PyBytes_Check(text.ptr())) {
    content = py::reinterpret_borrow<py::bytes>(text);
  } else if (const auto utf8 = utf8_of(text)) {
    content = *utf8;
  } else {
    state_->counters().add(ShimCounter::kCallableErrors);
    absence.callable_error = "returned neither text nor bytes for " + path.text();
    return {};
  }
  found.source = ModuleSource(std::move(content), std::string(), SourceOrigin::kCallable);
  return found;
}

py::object ModuleSearch::spec_of(const py::object& fullname, Resolution resolution, NamespaceForm form) const {
  const bool is_module = resolution.kind == Kind::kModule;
  std::string name(utf8_of(fullname).value_or(""));
  if (resolution.kind == Kind::kNamespace) {
    // importlib runs no loader for a namespace, so it is noted here: unless somebody merely asks what a loaded name is.
    const auto found = std::make_shared<const Resolution>(std::move(resolution));
    if (loaded_module(name.c_str())) {
      state_->loaded().note_found(name, found);
    } else {
      state_->loaded().add(name, LoadedModule(found));
    }
    check(fullname, state_->check_taken(found->moves));
    if (form == NamespaceForm::kPortions)
      return namespace_spec(fullname, py::none(), files_of(*state_, found->portions));
    return namespace_spec(fullname, namespace_loader(state_, name),
                          py::cast(NamespacePath(state_, name, found->portions)));
  }
  py::object locations;
  if (!is_module) locations = files_of(*state_, resolution.portions);
  const auto found = std::make_shared<const Resolution>(std::move(resolution));
  // Whoever asks for a spec may go by what it says, and never run the module.
  state_->loaded().note_found(name, found);
  check(fullname, state_->check_taken(found->moves));
  auto loader = std::make_unique<VirtualModuleLoader>(state_, std::move(name), found);
  const py::str file = loader->file();
  return module_spec(fullname, py::cast(std::move(loader)), file, locations);
}

}  // namespace bifrost
