// file_mapping.hpp - Boost.Interprocess mappings of a descriptor that was already checked.
//
// boost::interprocess::file_mapping opens by name, after which the name may mean another file. This adapter lets
// mapped_region map the very descriptor whose owner and mode were looked at. Boost's exceptions stop here.
#pragma once

#include <boost/interprocess/mapped_region.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "common/base/result.hpp"

namespace bifrost {

enum class MapMode { kReadOnly, kReadWrite };

// Maps the first `bytes` of `fd`, which stays the caller's and may be closed afterwards.
Result<std::unique_ptr<boost::interprocess::mapped_region>> map_descriptor(int fd, std::uint64_t bytes,
                                                                           MapMode mode);

}  // namespace bifrost
