// host_store.hpp - the host's `fallback.resolve(name, scope)` as the core's WholeStore.
//
// Each question runs in a thread of its own that ends with it: so that it can be given up, and so that a client may run
// an event loop whatever the importing thread does.
// Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "shim/core/whole_store.hpp"

namespace bifrost {

namespace py = pybind11;

class HostStore final : public WholeStore {
 public:
  // The store that `fallback` speaks for, or null when it has no `resolve`. ValueError for a `timeout` of the fallback
  // that is not a number of seconds above 0.
  static std::shared_ptr<WholeStore> of(const py::object& fallback);

  HostStore(py::object resolve, double timeout_s) : resolve_(std::move(resolve)), timeout_s_(timeout_s) {}

  StoreAnswer ask(const std::string& root, const ModuleNode& node) override;
  std::chrono::nanoseconds longest_wait() const override {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(timeout_s_ * 1e9));
  }
  bool may_ask() const override;
  void around(const std::function<void()>& wait) const override;

 private:
  StoreAnswer understood(const py::object& said, const std::string& root, const ModuleNode& node) const;

  const py::object resolve_;
  const double timeout_s_;
};

// An exception, kept for whoever reports it: Resolution::cause. And the same as Python knows it.
std::shared_ptr<const void> kept_exception(py::object exception);
py::object exception_in(const std::shared_ptr<const void>& kept);

}  // namespace bifrost
