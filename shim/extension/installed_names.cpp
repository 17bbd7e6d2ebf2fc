#include "shim/extension/installed_names.hpp"

#include "shim/extension/finalisation.hpp"
#include "shim/extension/finder.hpp"
#include "shim/extension/importlib_objects.hpp"
#include "shim/extension/missing_module.hpp"

namespace bifrost {
namespace {

// A spec without a loader is a namespace's.
bool is_regular(const py::object& spec) {
  return spec && !spec.is_none() && !py::getattr(spec, "loader", py::none()).is_none();
}

// As importlib asks. Errors: what the finder raises. Null without a module or regular package.
py::object asked_of(const py::object& finder, const py::object& fullname, const py::object& path) {
  const auto find_spec = py::reinterpret_steal<py::object>(PyObject_GetAttrString(finder.ptr(), "find_spec"));
  if (!find_spec) {
    if (PyErr_ExceptionMatches(PyExc_AttributeError) == 0) throw py::error_already_set();
    PyErr_Clear();  // importlib passes it over
    return {};
  }
  auto spec = py::reinterpret_steal<py::object>(run_outside(
      [&] { return PyObject_CallFunctionObjArgs(find_spec.ptr(), fullname.ptr(), path.ptr(), Py_None, nullptr); }));
  if (!spec) throw py::error_already_set();
  return is_regular(spec) ? spec : py::object();
}

bool is_the_interpreters_own(const py::object& fullname) {
  const ImportlibObjects& python = ImportlibObjects::get();
  const auto holds = [&](const py::object& question) { return PyObject_IsTrue(question(fullname).ptr()) == 1; };
  return holds(python.is_builtin) || holds(python.is_frozen);
}

// Of the finders behind ours, such as those of editable installs. Python would not have asked them where PathFinder
// finds the module: an ImportError is no answer, and `certain` is false then.
py::object found_by_others(const py::object& fullname, bool& certain) {
  const ImportlibObjects& python = ImportlibObjects::get();
  PyObject* meta_path = PySys_GetObject("meta_path");
  if (meta_path == nullptr || !PyList_Check(meta_path)) return {};
  bool behind_ours = false;
  for (const py::handle item : py::list(py::reinterpret_borrow<py::list>(meta_path))) {
    const auto finder = py::reinterpret_borrow<py::object>(item);
    if (py::isinstance<VirtualModuleFinder>(finder)) {
      behind_ours = true;
    } else if (behind_ours && !finder.is(python.path_finder) && !finder.is(python.builtin_importer) &&
               !finder.is(python.frozen_importer) && !py::isinstance<MissingModuleFinder>(finder)) {
      try {
        if (py::object spec = asked_of(finder, fullname, py::none())) return spec;
      } catch (py::error_already_set& error) {
        if (!error.matches(PyExc_ImportError)) throw;
        certain = false;
      }
    }
  }
  return {};
}

}  // namespace

py::object found_outside_workspace(const ProcessState& state, const py::object& fullname, const py::object& path) {
  py::list elsewhere;
  for (const py::handle entry : path) {
    const auto text = utf8_of(entry);
    if (!text || !state.storage_of(*text)) elsewhere.append(entry);
  }
  if (elsewhere.empty()) return {};
  return asked_of(ImportlibObjects::get().path_finder, fullname, elsewhere);
}

py::object InstalledNames::find(const ProcessState& state, const py::object& fullname, Search search) {
  const std::string name(utf8_of(fullname).value_or(""));
  const auto known = known_.find(name);
  if (known != known_.end()) {
    if (known->second.on_path || (known->second.elsewhere && search == Search::kAllFinders)) return py::none();
    if (search == Search::kPath || known->second.looked_elsewhere) return {};
  }
  // Each of these may come back here, and from other threads.
  Known found;
  bool certain = true;
  py::object spec;
  PyObject* const path = PySys_GetObject("path");
  if (known == known_.end() && path != nullptr && PyList_Check(path)) {
    spec = found_outside_workspace(state, fullname, py::list(py::reinterpret_borrow<py::list>(path)));
    found.on_path = static_cast<bool>(spec);
  }
  if (!found.on_path && search == Search::kAllFinders) {
    found.looked_elsewhere = true;
    if (is_the_interpreters_own(fullname)) {
      spec = py::none();
    } else {
      spec = found_by_others(fullname, certain);
    }
    found.elsewhere = static_cast<bool>(spec);
  }
  if (!certain && !found.elsewhere) return spec;
  if (known_.size() >= kMostNames) known_.clear();
  known_.insert_or_assign(name, found);
  return spec;
}

}  // namespace bifrost
