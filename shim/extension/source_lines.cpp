#include "shim/extension/source_lines.hpp"

#include "shim/extension/importlib_objects.hpp"

namespace bifrost {
namespace {

// linecache's cache, or null: it has not been imported, or is not what it was.
py::object cache_of(const py::object& linecache) {
  if (!linecache) return {};
  py::object cache = py::getattr(linecache, "cache", py::none());
  return PyDict_Check(cache.ptr()) ? cache : py::object();
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
  const py::object cache = cache_of(linecache);
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
  const py::object cache = cache_of(loaded_module("linecache"));
  if (cache && PyDict_Contains(cache.ptr(), file.ptr()) == 1) PyDict_DelItem(cache.ptr(), file.ptr());
  PyErr_Clear();
}

}  // namespace bifrost
