#include "shim/extension/missing_module.hpp"

#include <string>

#include "shim/extension/finder.hpp"
#include "shim/extension/importlib_objects.hpp"

namespace bifrost {
namespace {

bool is_last_on_meta_path(const py::object& self) {
  PyObject* meta_path = PySys_GetObject("meta_path");
  if (meta_path == nullptr || !PyList_Check(meta_path)) return false;
  const Py_ssize_t size = PyList_GET_SIZE(meta_path);
  return size > 0 && PyList_GET_ITEM(meta_path, size - 1) == self.ptr();
}

// Python calls us from importlib's _find_spec; who called that tells an import from a mere question.
bool called_by_an_import() {
  PyFrameObject* frame = PyEval_GetFrame();
  if (frame == nullptr) return false;
  const auto caller = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(PyFrame_GetBack(frame)));
  if (!caller) return false;
  const auto code = py::reinterpret_steal<py::object>(
      reinterpret_cast<PyObject*>(PyFrame_GetCode(reinterpret_cast<PyFrameObject*>(caller.ptr()))));
  return py::str("_find_and_load_unlocked").equal(code.attr("co_name"));
}

// `in_workspace`: the parent package is the workspace's, which answers alone for what is in it.
std::string explain(const Absence& absence, const std::string& reason, bool in_workspace) {
  std::string why;
  const Resolution& answer = absence.answer;
  if (answer.kind == Resolution::Kind::kUnknown) {
    why = answer.reason;
  } else if (answer.authority == Authority::kMirror) {
    why = "not in the mirror at generation " + std::to_string(answer.asked_at.value) + ", nor in Redis then";
  } else {
    why = "not in Redis";
  }
  if (!absence.callable_error.empty()) {
    why += "; the fallback failed: " + absence.callable_error;
  } else if (absence.callable_asked) {
    why += ", not in the fallback";
  }
  if (!reason.empty()) why += "; " + reason;
  if (in_workspace) why += "; extension modules are not served";
  return why;
}

}  // namespace

py::object MissingModuleFinder::find_spec(const py::object& self, const py::object& fullname,
                                          const py::object& path) const {
  if (!is_last_on_meta_path(self) || !called_by_an_import()) return py::none();
  const auto name = utf8_of(fullname);
  if (!name || !place_of(*search_->state(), fullname, path)) return py::none();
  const Absence& absence = ModuleSearch::last_absence();
  if (absence.fullname != *name) return py::none();
  const auto dot = name->rfind('.');
  const std::string reason =
      search_->state()->why_missing(absence.directories, dot == std::string_view::npos ? *name : name->substr(dot + 1));
  const std::string message =
      "No module named " + std::string(py::repr(fullname)) + " (" + explain(absence, reason, !path.is_none()) + ")";
  PyErr_SetImportErrorSubclass(PyExc_ModuleNotFoundError, py::str(message).ptr(), fullname.ptr(), nullptr);
  throw py::error_already_set();
}

void bind_missing_module(py::module_& m) {
  py::class_<MissingModuleFinder>(m, "MissingModuleFinder", "Says why a module of the workspace was not found.")
      .def(
          "find_spec",
          [](const py::object& self, const py::object& fullname, const py::object& path, const py::object&) {
            return self.cast<const MissingModuleFinder&>().find_spec(self, fullname, path);
          },
          py::arg("fullname"), py::arg("path") = py::none(), py::arg("target") = py::none())
      .def("invalidate_caches", [](const MissingModuleFinder&) {})
      .attr("__module__") = "bifrost_cache";
}

}  // namespace bifrost
