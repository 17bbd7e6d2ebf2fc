#include "shim/extension/import_log.hpp"

#include <utility>

namespace bifrost {
namespace {

thread_local std::vector<std::string> running;

}  // namespace

ImportLog& ImportLog::instance() {
  // Never destroyed: the interpreter may be gone by the time static objects are.
  static ImportLog* const instance = new ImportLog();
  return *instance;
}

void ImportLog::start(py::object observer) {
  entries_.clear();
  observer_ = std::move(observer);
  on_ = true;
}

void ImportLog::stop() {
  on_ = false;
  observer_ = py::none();
  entries_.clear();
}

void ImportLog::tell(const std::string& name, const py::object& outcome) const {
  if (!observer_.is_none()) observer_(name, outcome);
}

void ImportLog::around(const std::string& name, const std::string& path, std::uint64_t bytes,
                       const std::function<void()>& run) {
  if (entries_.size() < kMostEntries) entries_.push_back({name, path, running.empty() ? "" : running.back(), bytes});
  tell(name, py::none());
  running.push_back(name);
  try {
    run();
  } catch (const py::error_already_set& error) {
    running.pop_back();
    tell(name, py::str("{}: {}").format(error.type().attr("__name__"), error.value()));
    throw;
  }
  running.pop_back();
  tell(name, py::str());
}

}  // namespace bifrost
