// dev_report.hpp - what `dev` tells: lines for people, or one JSON object per line. Each is visible at once.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/layout/segment_layout.hpp"
#include "tools/cachectl/agent_words.hpp"
#include "tools/cachectl/output.hpp"

namespace bifrost::cachectl {

// What happened to a file since the last look.
struct DevChange {
  std::string path;
  std::string_view what;  // "added", "changed", "deleted", "skipped"
  std::string why;        // it was skipped
};

// What there is, once the mirror has it.
struct DevStart {
  std::string directory;
  std::string prefix;  // of every path, when the directory is a package
  std::size_t modules = 0;
  std::vector<std::string> left_out;
  std::vector<DevChange> skipped;
  std::vector<std::pair<std::string, std::string>> environment;  // of workers
  std::string package;                                           // where bifrost_cache is, if it is not installed
  std::optional<std::string> interpreter;
  std::string target;  // a function that can be run as it is, or ""
};

class DevReport {
 public:
  static std::unique_ptr<DevReport> make(Output& out, OutputFormat format);
  virtual ~DevReport() = default;
  virtual void started(const DevStart& start) = 0;
  virtual void watching() = 0;
  virtual void changed(Generation generation, const DevChange& change) = 0;
  virtual void does_not_compile(const CompileFailure& failure) = 0;
  virtual void stopped() = 0;
};

}  // namespace bifrost::cachectl
