#include "tools/cachectl/source_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include "common/base/unique_fd.hpp"
#include "tools/cachectl/text.hpp"

namespace bifrost::cachectl {
namespace {

constexpr std::size_t kMaxFiles = 1'000'000;
constexpr std::size_t kMaxDepth = 64;

struct CloseDirectory {
  void operator()(DIR* d) const { ::closedir(d); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Error system_error(const std::string& path, int err) {
  const ErrorCode code = err == ENOENT || err == ENOTDIR ? ErrorCode::kInvalidArgument
                         : err == EACCES || err == EPERM ? ErrorCode::kPermission
                                                         : ErrorCode::kIo;
  return {code, path + ": " + std::strerror(err)};
}

bool is_python(std::string_view name) {
  return name.size() > 3 && name.substr(name.size() - 3) == ".py";
}

class TreeWalk {
 public:
  // Problems below the top are noted and walked around.
  Status walk(const std::string& disk_path, const std::string& prefix) {
    const Directory directory(::opendir(disk_path.c_str()));
    if (!directory) return system_error(disk_path, errno);
    struct stat st {};
    if (::fstat(::dirfd(directory.get()), &st) != 0) return system_error(disk_path, errno);
    const Identity self{st.st_dev, st.st_ino};
    if (std::find(ancestors_.begin(), ancestors_.end(), self) != ancestors_.end()) return Done{};  // a link upwards
    if (ancestors_.size() >= kMaxDepth) {
      tree_.skipped.push_back({prefix, "directories are nested too deeply"});
      return Done{};
    }
    ancestors_.push_back(self);
    for (const std::string& name : names_in(directory.get())) {
      if (const Status s = visit(disk_path + "/" + name, prefix + name, name); !s) return s;
    }
    ancestors_.pop_back();
    return Done{};
  }

  SourceTree take() {
    std::sort(tree_.files.begin(), tree_.files.end(),
              [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
    return std::move(tree_);
  }

 private:
  struct Identity {
    dev_t device;
    ino_t inode;
    bool operator==(const Identity&) const = default;
  };

  static std::vector<std::string> names_in(DIR* directory) {
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string_view name = entry->d_name;
      if (name.front() != '.' && name != "__pycache__") names.emplace_back(name);
    }
    return names;
  }

  Status visit(const std::string& disk_path, const std::string& path, const std::string& name) {
    struct stat st {};
    if (::stat(disk_path.c_str(), &st) != 0) {
      if (is_python(name)) tree_.skipped.push_back({path, std::strerror(errno)});
      return Done{};
    }
    if (S_ISDIR(st.st_mode)) {
      if (const Status s = walk(disk_path, path + "/"); !s) {
        if (s.error().code == ErrorCode::kNoSpace) return s;
        tree_.skipped.push_back({path, s.error().message});
      }
      return Done{};
    }
    if (!is_python(name)) return Done{};
    const auto module = ModulePath::parse(path);
    if (!module) {
      tree_.skipped.push_back({path, "no module can have this path: " + std::string(reason_text(module.error()))});
      return Done{};
    }
    if (!S_ISREG(st.st_mode)) {
      tree_.skipped.push_back({path, "not a regular file"});
      return Done{};
    }
    if (tree_.files.size() >= kMaxFiles) {
      return Error{ErrorCode::kNoSpace, fmt::format("more than {} files: push a smaller directory", kMaxFiles)};
    }
    tree_.files.push_back({*module, disk_path});
    return Done{};
  }

  SourceTree tree_;
  std::vector<Identity> ancestors_;
};

}  // namespace

Result<SourceTree> scan_source_tree(const std::string& directory) {
  TreeWalk walk;
  if (const Status s = walk.walk(directory, ""); !s) return s.error();
  return walk.take();
}

Result<std::string> read_source(const std::string& disk_path, std::uint64_t max_bytes) {
  const UniqueFd fd(::open(disk_path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return system_error(disk_path, errno);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return system_error(disk_path, errno);
  if (!S_ISREG(st.st_mode)) return Error{ErrorCode::kInvalidArgument, "not a regular file"};
  const auto too_long = [&] {
    return Error{ErrorCode::kInvalidArgument, fmt::format("longer than {}", human_bytes(max_bytes))};
  };
  if (static_cast<std::uint64_t>(st.st_size) > max_bytes) return too_long();
  std::string bytes;
  // The file may grow while it is read: the limit counts what arrives.
  char buffer[64 * 1024];
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n == 0) return bytes;
    if (n < 0) {
      if (errno == EINTR) continue;
      return system_error(disk_path, errno);
    }
    bytes.append(buffer, static_cast<std::size_t>(n));
    if (bytes.size() > max_bytes) return too_long();
  }
}

}  // namespace bifrost::cachectl
