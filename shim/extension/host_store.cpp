#include "shim/extension/host_store.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "shim/extension/asked_host.hpp"
#include "shim/extension/finalisation.hpp"
#include "shim/extension/import_lock.hpp"
#include "shim/extension/importlib_objects.hpp"

namespace bifrost {
namespace {

using Kind = StoreAnswer::Kind;

constexpr double kDefaultTimeoutSeconds = 5;
constexpr double kLongestTimeoutSeconds = 600;

StoreAnswer failed(std::string reason) {
  StoreAnswer answer;
  answer.kind = Kind::kFailed;
  answer.reason = std::move(reason);
  return answer;
}

StoreAnswer misunderstood(std::string reason) {
  StoreAnswer answer = failed("fallback.resolve " + std::move(reason));
  answer.misunderstood = true;
  return answer;
}

// `_solutions/7/a/b` below `_solutions/7` is `a.b`.
std::string import_name(const std::string& root, const ModuleNode& node) {
  std::string name = node.text().substr(root.empty() ? 0 : root.size() + 1);
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

std::string type_name(const py::object& object) {
  return std::string(py::str(py::type::handle_of(object).attr("__name__")));
}

std::string said_by(const py::object& exception) {
  std::string text = type_name(exception);
  try {
    const std::string message = py::str(exception);
    if (!message.empty()) text += ": " + message;
  } catch (const py::error_already_set&) {
    // Its __str__ fails: the type must do.
  }
  return text;
}

// Text or UTF-8 bytes; nothing for everything else.
std::optional<std::string> content_of(const py::object& source) {
  if (PyBytes_Check(source.ptr())) return std::string(py::reinterpret_borrow<py::bytes>(source));
  if (const auto utf8 = utf8_of(source)) return std::string(*utf8);
  return std::nullopt;
}

bool is_utf8(const std::string& text) {
  const auto decoded = py::reinterpret_steal<py::object>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "strict"));
  if (!decoded) PyErr_Clear();
  return static_cast<bool>(decoded);
}

py::object types_of_answers() {
  return py::module_::import("bifrost_cache.fallback");
}

}  // namespace

std::shared_ptr<const void> kept_exception(py::object exception) {
  return {exception.release().ptr(), [](const void* kept) {
            if (Py_IsInitialized() == 0) return;
            const py::gil_scoped_acquire gil;
            Py_DECREF(static_cast<PyObject*>(const_cast<void*>(kept)));
          }};
}

py::object exception_in(const std::shared_ptr<const void>& kept) {
  return py::reinterpret_borrow<py::object>(static_cast<PyObject*>(const_cast<void*>(kept.get())));
}

std::shared_ptr<WholeStore> HostStore::of(const py::object& fallback) {
  py::object resolve = py::getattr(fallback, "resolve", py::none());
  if (resolve.is_none() || PyCallable_Check(resolve.ptr()) == 0) return nullptr;
  const py::object given = py::getattr(fallback, "timeout", py::none());
  double timeout = kDefaultTimeoutSeconds;
  if (!given.is_none()) {
    timeout = PyFloat_AsDouble(given.ptr());
    const bool is_number = PyErr_Occurred() == nullptr;
    PyErr_Clear();
    if (!is_number || !(timeout > 0)) throw py::value_error("fallback.timeout must be a number of seconds above 0");
  }
  return std::make_shared<HostStore>(std::move(resolve), std::min(timeout, kLongestTimeoutSeconds));
}

bool HostStore::may_ask() const {
  return !host_is_asked_here();
}

void HostStore::around(const std::function<void()>& wait) const {
  const WithoutImportLock others_may_import;
  const GilRelease release;
  wait();
}

StoreAnswer HostStore::ask(const std::string& root, const ModuleNode& node) {
  if (interpreter_ends()) return failed("the fallback could not be asked: the interpreter is ending");
  const py::object scope = types_of_answers().attr("Scope")(root.empty() ? root : root + "/");
  const py::object ask = py::module_::import("bifrost_cache._asking").attr("ask");
  const py::str name(import_name(root, node));
  const py::float_ timeout(timeout_s_);
  const WithoutImportLock others_may_import;
  const auto said = py::reinterpret_steal<py::object>(run_outside([&] {
    return PyObject_CallFunctionObjArgs(ask.ptr(), resolve_.ptr(), name.ptr(), scope.ptr(), timeout.ptr(), nullptr);
  }));
  // What resolve() raises is told: this is for whoever imports, as an interrupt or a time limit's signal is.
  if (!said) throw py::error_already_set();
  const auto [outcome, value] = said.cast<std::pair<std::string, py::object>>();
  if (outcome == "answered") return understood(value, root, node);
  const std::string what = outcome == "unasked" ? "the fallback could not be asked: " : "the fallback failed: ";
  StoreAnswer answer = failed(what + (outcome == "late" ? value.cast<std::string>() : said_by(value)));
  answer.timed_out = outcome == "late";
  if (!answer.timed_out) answer.cause = kept_exception(value);
  return answer;
}

StoreAnswer HostStore::understood(const py::object& said, const std::string& root, const ModuleNode& node) const {
  StoreAnswer answer;
  if (said.is_none()) return answer;
  const py::object types = types_of_answers();
  const auto is = [&](const char* type) { return py::isinstance(said, types.attr(type)); };
  if (is("Namespace")) {
    answer.kind = Kind::kNamespace;
    return answer;
  }
  const bool is_package = is("Package");
  if (!is_package && !is("Module")) {
    return misunderstood("returned " + type_name(said) + " for " + import_name(root, node) +
                         ": expected Module, Package or Namespace of bifrost_cache.fallback, or None");
  }
  const auto path = is_package ? node.package_file() : node.file();
  const py::object given = said.attr("path");
  if (path && !given.is_none() && utf8_of(given) != path->text()) {
    return misunderstood("returned the module at " + std::string(py::repr(given)) + " for " + import_name(root, node) +
                         ", which lies at '" + path->text() + "' in the scope that it was asked for");
  }
  auto content = content_of(said.attr("source"));
  const auto hash = utf8_of(said.attr("hash"));
  if (!content || !is_utf8(*content)) {
    return misunderstood("returned a source for " + import_name(root, node) + " that is neither text nor UTF-8");
  }
  answer.kind = is_package ? Kind::kPackage : Kind::kModule;
  answer.source = ModuleSource(std::move(*content), std::string(hash.value_or("")), SourceOrigin::kStore);
  return answer;
}

}  // namespace bifrost
