// import_lock.hpp - importlib's lock of the whole process, which it holds while it asks a finder.
#pragma once

namespace bifrost {

// Given up for the scope, however often this thread holds it: whoever is asked meanwhile, or waited for, may import. No
// Python code runs at either end, so that no signal handler's exception can leave the lock as it should not be.
// With the GIL.
class WithoutImportLock {
 public:
  WithoutImportLock();
  ~WithoutImportLock();
  WithoutImportLock(const WithoutImportLock&) = delete;
  WithoutImportLock& operator=(const WithoutImportLock&) = delete;

 private:
  int levels_ = 0;
};

}  // namespace bifrost
