#include "shim/extension/import_log.hpp"

#include <utility>

namespace bifrost {
namespace {

// Numbers of entries.
thread_local std::vector<std::size_t> running;

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

void ImportLog::note_held() {
  if (on_ && !running.empty() && running.back() < entries_.size()) entries_[running.back()].held = true;
}

void ImportLog::around(const std::string& name, const std::string& path, std::uint64_t bytes,
                       const std::function<void()>& run) {
  const bool nested = !running.empty() && running.back() < entries_.size();
  const bool noted = entries_.size() < kMostEntries;
  if (noted) entries_.push_back({name, path, nested ? entries_[running.back()].name : "", bytes});
  tell(name, py::none());
  running.push_back(noted ? entries_.size() - 1 : kMostEntries);
  try {
    run();
  } catch (const py::error_already_set& error) {
    if (noted && running.back() < entries_.size()) entries_[running.back()].failed = true;
    running.pop_back();
    tell(name, error.value());
    throw;
  }
  running.pop_back();
  tell(name, py::bool_(true));
}

}  // namespace bifrost
