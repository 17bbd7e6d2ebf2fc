#include "shim/extension/source_lines.hpp"

#include "shim/extension/importlib_objects.hpp"

namespace bifrost {
namespace {

// A table of one of Python's modules, or null: that has not been imported, or is not what it was.
py::object table_of(const py::object& module, const char* name) {
  if (!module) return {};
  py::object table = py::getattr(module, name, py::none());
  return PyDict_Check(table.ptr()) ? table : py::object();
}

void forget(const py::object& table, const py::str& key) {
  if (table && PyDict_Contains(table.ptr(), key.ptr()) == 1) PyDict_DelItem(table.ptr(), key.ptr());
  PyErr_Clear();
}

// Whether an entry is what we would have made: a tuple of one callable, to be asked for the source.
bool is_lazy_entry(const py::object& entry) {
  return PyTuple_CheckExact(entry.ptr()) && PyTuple_GET_SIZE(entry.ptr()) == 1 &&
         PyCallable_Check(PyTuple_GET_ITEM(entry.ptr(), 0)) == 1;
}

// linecache is asked to make the first entry. If that is the kind of entry that we know, later ones are made here.
bool make_entry_by_linecache(const py::object& linecache, const py::object& cache, const py::str& file,
                             const py::dict& globals) {
  linecache.attr("lazycache")(file, globals);
  return cache.contains(file) && is_lazy_entry(cache[file]);
}

}  // namespace

void offer_lines(const py::str& file, const py::object& loader, const py::dict& globals) {
  static bool known_entries = false;  // under the GIL
  const py::object linecache = loaded_module("linecache");
  const py::object cache = table_of(linecache, "cache");
  if (!cache) return;
  try {
    if (known_entries) {
      cache[file] = py::make_tuple(loader.attr(ImportlibObjects::get().get_source));
    } else {
      forget_lines_of(file);
      known_entries = make_entry_by_linecache(linecache, cache, file, globals);
    }
  } catch (py::error_already_set&) {
    // Source lines are a courtesy, no reason to fail an import.
  }
}

void forget_lines_of(const py::str& file) {
  forget(table_of(loaded_module("linecache"), "cache"), file);
}

void forget_file_of(const std::string& name) {
  forget(table_of(loaded_module("inspect"), "_filesbymodname"), py::str(name));
}

}  // namespace bifrost
