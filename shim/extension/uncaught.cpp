#include "shim/extension/uncaught.hpp"

#include <pybind11/pybind11.h>

#include "shim/extension/importlib_objects.hpp"

namespace bifrost::uncaught {
namespace {

namespace py = pybind11;

constexpr bool kInterpreterShowsLines = PY_VERSION_HEX >= 0x030D0000;

// One hook of the interpreter: ours prints by `function` of bifrost_cache._uncaught, which is imported only then.
py::object make_hook(const char* function, py::object original) {
  return py::cpp_function([function, original = std::move(original)](const py::args& exception) {
    py::object show;
    try {
      show = py::module_::import("bifrost_cache._uncaught").attr(function);
    } catch (py::error_already_set&) {
      // Whatever keeps us from printing better must not keep the exception from being printed.
      original(*exception);
      return;
    }
    show(original, *exception);
  });
}

// Never destroyed: the interpreter may call them to its end.
struct Hooks {
  py::object main_original = loaded_module("sys").attr("__excepthook__");
  py::object main_ours = make_hook("show", main_original);
  py::object thread_original = loaded_module("_thread").attr("_excepthook");
  py::object thread_ours = make_hook("show_in_thread", thread_original);
};

Hooks& hooks() {
  static Hooks* const hooks = new Hooks();
  return *hooks;
}

void replace(const char* module_name, const char* attribute, const py::object& from, const py::object& to) {
  const py::object module = loaded_module(module_name);
  if (module && py::getattr(module, attribute, py::none()).is(from)) module.attr(attribute) = to;
}

}  // namespace

void install() {
  if (kInterpreterShowsLines) return;
  const Hooks& h = hooks();
  replace("sys", "excepthook", h.main_original, h.main_ours);
  replace("sys", "__excepthook__", h.main_original, h.main_ours);  // what the hooks of others go on to
  // The one that threading takes when it is imported, and the one that it has taken.
  replace("_thread", "_excepthook", h.thread_original, h.thread_ours);
  replace("threading", "excepthook", h.thread_original, h.thread_ours);
  replace("threading", "__excepthook__", h.thread_original, h.thread_ours);
}

void remove() {
  if (kInterpreterShowsLines) return;
  const Hooks& h = hooks();
  replace("sys", "excepthook", h.main_ours, h.main_original);
  replace("sys", "__excepthook__", h.main_ours, h.main_original);
  replace("_thread", "_excepthook", h.thread_ours, h.thread_original);
  replace("threading", "excepthook", h.thread_ours, h.thread_original);
  replace("threading", "__excepthook__", h.thread_ours, h.thread_original);
}

}  // namespace bifrost::uncaught
