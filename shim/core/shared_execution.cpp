#include "shim/core/shared_execution.hpp"

#include <sys/mman.h>

#include <array>
#include <new>

namespace bifrost {

// Taken from by forks, too, each of which has it mapped.
struct SharedExecutions::Page {
  std::atomic<std::uint32_t> used{0};
  std::array<SharedExecution, 203> executions;
};

std::shared_ptr<SharedExecution> SharedExecutions::next() {
  if (page_ != nullptr) {
    const std::uint32_t slot = page_->used++;
    if (slot < page_->executions.size()) return {page_, &page_->executions[slot]};
  }
  static_assert(sizeof(Page) <= 4096 && std::atomic<std::uint32_t>::is_always_lock_free);
  void* at = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  page_ = {new (at) Page(), [](Page* page) { ::munmap(page, sizeof(Page)); }};
  page_->used = 1;
  return {page_, page_->executions.data()};
}

}  // namespace bifrost
