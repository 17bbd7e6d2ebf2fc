#include "shim/extension/importlib_objects.hpp"

namespace bifrost {
namespace {

ImportlibObjects look_up() {
  ImportlibObjects o;
  const py::object bootstrap = loaded_module("_frozen_importlib");
  const py::object external = loaded_module("_frozen_importlib_external");
  const py::object builtins = loaded_module("builtins");
  if (!bootstrap || !external || !builtins) throw py::import_error("this Python has no importlib");
  const py::object imp = loaded_module("_imp");
  if (!imp) throw py::import_error("this Python has no _imp");
  o.module_spec = bootstrap.attr("ModuleSpec");
  o.builtin_importer = bootstrap.attr("BuiltinImporter");
  o.frozen_importer = bootstrap.attr("FrozenImporter");
  o.fix_co_filename = imp.attr("_fix_co_filename");
  o.acquire_lock = imp.attr("acquire_lock");
  o.release_lock = imp.attr("release_lock");
  o.is_builtin = imp.attr("is_builtin");
  o.is_frozen = imp.attr("is_frozen");
  o.path_finder = external.attr("PathFinder");
  o.namespace_loader = external.attr("NamespaceLoader");
  o.call_with_frames_removed = bootstrap.attr("_call_with_frames_removed");
  o.compile = builtins.attr("compile");
  const py::object stdlib_names = loaded_module("sys").attr("stdlib_module_names");
  o.reserved_names = stdlib_names.attr("union")(py::make_tuple("bifrost_cache", "sitecustomize", "usercustomize"));
  return o;
}

}  // namespace

const ImportlibObjects& ImportlibObjects::get() {
  // Never destroyed: the interpreter may be gone by the time static objects are.
  static const ImportlibObjects* const objects = new ImportlibObjects(look_up());
  return *objects;
}

py::object loaded_module(const char* name) {
  PyObject* module = PyDict_GetItemString(PyImport_GetModuleDict(), name);
  return py::reinterpret_borrow<py::object>(module);
}

std::optional<std::string_view> utf8_of(py::handle text) {
  if (!PyUnicode_Check(text.ptr())) return std::nullopt;
  Py_ssize_t bytes = 0;
  const char* characters = PyUnicode_AsUTF8AndSize(text.ptr(), &bytes);
  if (characters == nullptr) {
    PyErr_Clear();
    return std::nullopt;
  }
  return std::string_view(characters, static_cast<std::size_t>(bytes));
}

}  // namespace bifrost
