#include "shim/extension/finder.hpp"

#include <algorithm>

#include "shim/extension/docstrings.hpp"
#include "shim/extension/fast_method.hpp"
#include "shim/extension/importlib_objects.hpp"
#include "shim/extension/namespace_path.hpp"

namespace bifrost {
namespace {

bool is_reserved(const py::object& name) {
  const int contained = PySet_Contains(ImportlibObjects::get().reserved_names.ptr(), name.ptr());
  if (contained < 0) PyErr_Clear();
  return contained == 1;
}

// Builtin and frozen modules that the standard library does not list: rare, so asked only about what the workspace has.
bool is_the_interpreters_own(const py::object& name) {
  const ImportlibObjects& python = ImportlibObjects::get();
  const auto holds = [&](const py::object& question) { return PyObject_IsTrue(question(name).ptr()) == 1; };
  return holds(python.is_builtin) || holds(python.is_frozen);
}

// For callers that name a submodule without its parent's __path__: the directory its parents spell.
std::vector<std::string> directories_below(const Scope& scope, std::string_view parents) {
  std::string directory(parents);
  std::replace(directory.begin(), directory.end(), '.', '/');
  std::vector<std::string> directories;
  for (const std::string& root : scope.roots()) directories.push_back(join_node(root, directory));
  return directories;
}

// Where a top-level name is looked for: what stands on sys.path before the workspace comes before it, as with files.
std::vector<std::string> top_level_directories(ProcessState& state) {
  std::vector<std::string> roots = state.scope().roots();
  PyObject* const path = PySys_GetObject("path");
  if (path == nullptr || !PyList_Check(path)) return roots;
  std::vector<std::string> directories;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(path); ++i) {
    const auto text = utf8_of(PyList_GET_ITEM(path, i));
    auto directory = text ? state.storage_of(*text) : std::nullopt;
    if (!directory) continue;
    if (!directory->empty()) {
      directories.push_back(std::move(*directory));
      continue;
    }
    if (directories.empty()) return roots;
    directories.insert(directories.end(), roots.begin(), roots.end());
    return directories;
  }
  return roots;
}

}  // namespace

std::optional<SearchPlace> place_of(ProcessState& state, const py::object& fullname, const py::object& path) {
  const auto name = utf8_of(fullname);
  if (!name) return std::nullopt;
  const auto dot = name->rfind('.');
  const bool top_level = dot == std::string_view::npos;
  if (path.is_none()) {
    if (top_level) {
      if (is_reserved(fullname)) return std::nullopt;
      return SearchPlace{top_level_directories(state), *name};
    }
    return SearchPlace{directories_below(state.scope(), name->substr(0, dot)), name->substr(dot + 1)};
  }
  SearchPlace place{directories_of(state, path), top_level ? *name : name->substr(dot + 1)};
  if (place.directories.empty()) return std::nullopt;
  return place;
}

py::object VirtualModuleFinder::find_spec(const py::object& fullname, const py::object& path) const {
  const std::shared_ptr<const ModuleSearch> search = search_;
  if (search == nullptr) return py::none();
  ProcessState& state = *search->state();
  try {
    const auto place = place_of(state, fullname, path);
    if (!place) return py::none();
    py::object spec = search->find(fullname, path, place->directories, place->name, NamespaceForm::kWhole);
    if (path.is_none() && !spec.is_none() && is_the_interpreters_own(fullname)) return py::none();
    return spec;
  } catch (const py::error_already_set&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception&) {
    // A fault of ours must not look like a fault of the import.
    state.counters().add(ShimCounter::kInternalErrors);
    return py::none();
  }
}

void VirtualModuleFinder::invalidate_caches() const {
  if (search_ != nullptr) search_->invalidate();
}

namespace {

// find_spec(fullname, path=None, target=None), as importlib calls it: by position.
PyObject* find_spec(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  constexpr const char* kNames[] = {"fullname", "path", "target"};
  PyObject* values[] = {nullptr, Py_None, Py_None};
  if (!bind_arguments(kNames, values, arguments, count, keywords)) return nullptr;
  return guarded([&] {
    return bound_instance<const VirtualModuleFinder>(self).find_spec(py::reinterpret_borrow<py::object>(values[0]),
                                                                     py::reinterpret_borrow<py::object>(values[1]));
  });
}

PyMethodDef find_spec_method = {"find_spec", as_fastcall(&find_spec), METH_FASTCALL | METH_KEYWORDS,
                                docstrings::kVirtualModuleFinderFindSpec};

}  // namespace

void bind_finder(py::module_& m) {
  py::class_<VirtualModuleFinder> type(m, "VirtualModuleFinder", docstrings::kVirtualModuleFinder);
  add_fast_method(type, &find_spec_method);
  type.def("invalidate_caches", &VirtualModuleFinder::invalidate_caches,
           docstrings::kVirtualModuleFinderInvalidateCaches)
      .def("__repr__", [](const VirtualModuleFinder&) { return "<bifrost_cache.VirtualModuleFinder>"; })
      .attr("__module__") = "bifrost_cache";
}

}  // namespace bifrost
