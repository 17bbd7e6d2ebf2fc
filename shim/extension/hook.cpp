#include "shim/extension/hook.hpp"

#include <utility>

#include "shim/extension/finalisation.hpp"
#include "shim/extension/finder.hpp"
#include "shim/extension/host_store.hpp"
#include "shim/extension/importlib_objects.hpp"
#include "shim/extension/interpreter_tag.hpp"
#include "shim/extension/missing_module.hpp"
#include "shim/extension/path_entry.hpp"
#include "shim/extension/uncaught.hpp"

namespace bifrost {
namespace {

void wait_without_gil(const std::function<void()>& wait) {
  const GilRelease release;
  wait();
}

py::list sys_list(const char* name) {
  PyObject* list = PySys_GetObject(name);
  if (list == nullptr || !PyList_Check(list)) throw py::import_error(std::string("sys.") + name + " is no list");
  return py::reinterpret_borrow<py::list>(list);
}

bool holds(const py::list& list, const py::object& wanted) {
  for (const py::handle item : list) {
    if (item.is(wanted)) return true;
  }
  return false;
}

void remove_identical(const py::list& list, const py::object& unwanted) {
  for (Py_ssize_t i = PyList_GET_SIZE(list.ptr()) - 1; i >= 0; --i) {
    if (PyList_GET_ITEM(list.ptr(), i) == unwanted.ptr()) PySequence_DelItem(list.ptr(), i);
  }
}

// Entries made before the hook existed say that nothing can be imported from the workspace.
void forget_cached_importers(const ProcessState& state) {
  PyObject* cache = PySys_GetObject("path_importer_cache");
  if (cache == nullptr || !PyDict_Check(cache)) return;
  const py::list entries(py::reinterpret_borrow<py::dict>(cache));
  for (const py::handle entry : entries) {
    const auto text = utf8_of(entry);
    if (text && state.storage_of(*text)) PyDict_DelItem(cache, entry.ptr());
  }
}

void remove_path_entry(const ProcessState& state) {
  const py::list path = sys_list("path");
  for (Py_ssize_t i = PyList_GET_SIZE(path.ptr()) - 1; i >= 0; --i) {
    const auto text = utf8_of(PyList_GET_ITEM(path.ptr(), i));
    if (text == state.workspace()) PySequence_DelItem(path.ptr(), i);
  }
}

// Where the finder belongs. Before the interpreter's own finders, which would cost as much as finding the module: what
// they would answer is refused by name. With installed packages first, right after PathFinder.
Py_ssize_t place_on(const py::list& meta_path, bool installed_first) {
  const ImportlibObjects& python = ImportlibObjects::get();
  const Py_ssize_t size = PyList_GET_SIZE(meta_path.ptr());
  for (Py_ssize_t i = 0; i < size; ++i) {
    PyObject* const finder = PyList_GET_ITEM(meta_path.ptr(), i);
    if (finder == python.path_finder.ptr()) return installed_first ? i + 1 : i;
    const bool own = finder == python.builtin_importer.ptr() || finder == python.frozen_importer.ptr();
    if (own && !installed_first) return i;
  }
  return size;
}

}  // namespace

void refuse_subinterpreters() {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return;
  throw std::runtime_error("bifrost_cache works in the main interpreter only");
}

Hook& Hook::instance() {
  static Hook* const hook = new Hook();
  return *hook;
}

void Hook::configure(const Settings::Flags& flags) {
  auto settings = Settings::resolve(flags);
  if (!settings) throw py::value_error(settings.error().message);
  const auto disabled = ProcessState::is_disabled(*settings);
  if (!disabled) throw py::value_error(disabled.error().message);
  std::shared_ptr<ProcessState> made;
  if (!*disabled) {
    auto created = ProcessState::create(*settings, wait_without_gil, loaded_, last_reads_, interpreter_tag());
    if (!created) throw py::value_error(created.error().message);
    made = std::move(*created);
  }
  // Nothing is refused any more: what was installed stays until then.
  take_out();
  if (made != nullptr && state_ != nullptr) made->take_execution_of(*state_);
  disabled_ = *disabled;
  flags_ = flags;
  state_ = std::move(made);
  if (disabled_) return;
  // After Python has ended and before the process does: needs no Python, and costs no import of atexit.
  if (!std::exchange(reports_at_exit_, true)) {
    Py_AtExit([] {
      if (const auto& state = instance().state_) state->report();
    });
  }
}

std::shared_ptr<ProcessState> Hook::state() {
  if (state_ == nullptr && !disabled_) configure({});
  return state_;
}

py::object Hook::install(const Settings::Flags& flags, const py::object& fallback) {
  refuse_subinterpreters();
  const std::shared_ptr<WholeStore> store = HostStore::of(fallback);
  if (!fallback.is_none() && store == nullptr && PyCallable_Check(fallback.ptr()) == 0) {
    throw py::type_error("fallback is neither callable nor an object with resolve(name, scope)");
  }
  Settings::Flags wanted = flags_;
  for (const auto& [id, value] : flags) wanted[id] = value;
  const bool first = finder_.is_none();
  const bool new_settings = first ? state_ == nullptr || !flags.empty() : wanted != flags_;
  const bool new_fallback = !fallback.is_none() && !fallback.is(fallback_);
  if (!first && !new_settings && !new_fallback) {
    if (state_ != nullptr) place();
    return finder_;
  }
  if (new_settings) {
    configure(first ? flags : wanted);
  } else {
    take_out();
  }
  if (new_fallback) {
    fallback_ = fallback;
    store_ = store;
  }
  if (state_ != nullptr) state_->ask_of(store_);
  search_ = state_ ? std::make_shared<const ModuleSearch>(state_, store_ ? py::none() : fallback_) : nullptr;
  if (first) {
    finder_ = py::cast(VirtualModuleFinder(search_));
  } else {
    finder_.cast<VirtualModuleFinder&>().search_with(search_);
  }
  if (search_ == nullptr) return finder_;
  missing_ = py::cast(MissingModuleFinder(search_));
  path_hook_ = workspace_path_hook(search_);
  forget_cached_importers(*state_);
  place();
  return finder_;
}

void Hook::place() const {
  py::list meta_path = sys_list("meta_path");
  if (!holds(meta_path, finder_)) {
    meta_path.insert(static_cast<std::size_t>(place_on(meta_path, state_->installed_first())), finder_);
  }
  if (!holds(meta_path, missing_)) meta_path.append(missing_);
  py::list path_hooks = sys_list("path_hooks");
  if (!holds(path_hooks, path_hook_)) path_hooks.insert(0, path_hook_);
  py::list path = sys_list("path");
  const bool in_place = path.size() > 0 && utf8_of(py::object(path[0])) == state_->workspace();
  if (!in_place) {
    remove_path_entry(*state_);
    path.insert(0, state_->workspace());
  }
  uncaught::install();
}

void Hook::take_out() const {
  if (state_ == nullptr || finder_.is_none()) return;
  const py::list meta_path = sys_list("meta_path");
  remove_identical(meta_path, finder_);
  remove_identical(meta_path, missing_);
  remove_identical(sys_list("path_hooks"), path_hook_);
  remove_path_entry(*state_);
  forget_cached_importers(*state_);
  uncaught::remove();
}

void Hook::remove() {
  take_out();
  finder_ = missing_ = path_hook_ = fallback_ = execution_ = py::none();
  store_.reset();
  search_.reset();
  flags_.clear();
  disabled_ = false;
  state_.reset();
}

}  // namespace bifrost
