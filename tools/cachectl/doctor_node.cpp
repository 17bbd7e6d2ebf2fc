// What doctor says about the segment directory, the segment and the agent.
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "common/base/segment_dir.hpp"
#include "common/control/agent_connection.hpp"
#include "common/control/control_protocol.hpp"
#include "common/layout/record_layout.hpp"
#include "tools/cachectl/doctor.hpp"
#include "tools/cachectl/health.hpp"
#include "tools/cachectl/segment_access.hpp"
#include "tools/cachectl/text.hpp"

namespace bifrost::cachectl {
namespace {

constexpr char kDirectoryPart[] = "segment directory";
constexpr char kJoinTheGroup[] = "usermod -a -G bifrost USER, as root, then log in again";

using Grade = Diagnosis::Grade;

constexpr long kTmpfsMagic = 0x01021994;
constexpr long kRamfsMagic = 0x858458f6;
constexpr std::chrono::seconds kNodeTime(2);

// Where the segment lies, and whether it can grow: by a chunk at a time.
void examine_room(Context& context, Diagnoses& out) {
  const std::string& dir = context.segment_dir();
  struct statfs fs {};
  if (::statfs(dir.c_str(), &fs) != 0) return;
  const auto block = static_cast<std::uint64_t>(fs.f_bsize);
  const std::uint64_t available = fs.f_bavail * block;
  const std::string space = fmt::format("{} of {} free", human_bytes(available), human_bytes(fs.f_blocks * block));
  if (fs.f_type != kTmpfsMagic && fs.f_type != kRamfsMagic) {
    out.push_back({Grade::kNote, kDirectoryPart, dir + " is not on tmpfs: the segment is written back to a disk",
                   "use a directory below /run or /dev/shm"});
  }
  if ((fs.f_flags & ST_RDONLY) != 0) {
    out.push_back({Grade::kNote, kDirectoryPart,
                   dir + " is mounted read-only here: workers can read it, no agent can start on it",
                   "if the agent is to run here: mount -o remount,rw"});
  }
  const auto segment = attach_segment(context.settings);
  std::uint64_t chunk = 0;
  if (segment) {
    const SegmentInfo info = (*segment)->info();
    const std::uint64_t least = std::min(layout::kMinChunkBytes, info.max_bytes / layout::kChunksPerStore);
    chunk = std::max(least, info.size_bytes / layout::kChunksPerStore);
  }
  if (available < 2 * chunk) {
    out.push_back(
        {Grade::kNote, kDirectoryPart,
         fmt::format("{}, and a segment that grows or restarts takes up to {}", space, human_bytes(2 * chunk)),
         "mount -o remount,size=... the file system larger, or lower --max-size"});
  } else {
    out.push_back({Grade::kGood, kDirectoryPart, space, ""});
  }
}

}  // namespace

void examine_directory(Context& context, Diagnoses& out) {
  const std::string& dir = context.segment_dir();
  struct stat st {};
  if (::stat(dir.c_str(), &st) != 0) {
    const bool absent = errno == ENOENT;
    out.push_back({Grade::kBad, kDirectoryPart, dir + ": " + std::strerror(errno),
                   absent
                       ? "start bifrost-agent with --segment-dir " + dir + ", or set BIFROST_SEGMENT_DIR to where it is"
                       : kJoinTheGroup});
    return;
  }
  const std::string owner =
      fmt::format("{}, owner {}, group {}, mode {:04o}", dir, st.st_uid, st.st_gid, st.st_mode & 07777);
  if ((st.st_mode & S_IWOTH) != 0) {
    out.push_back({Grade::kBad, kDirectoryPart, owner + ": anyone may replace the segment", "chmod o-w " + dir});
  } else if ((st.st_mode & S_IWGRP) != 0) {
    out.push_back({Grade::kNote, kDirectoryPart, owner + ": the group may replace the segment", "chmod g-w " + dir});
  } else {
    out.push_back({Grade::kGood, kDirectoryPart, owner, ""});
  }
  examine_room(context, out);
}

void examine_mirror(Context& context, Diagnoses& out) {
  const auto segment = attach_segment(context);
  if (!segment) {
    out.push_back({Grade::kBad, "segment", segment.error().message,
                   segment.error().code == ErrorCode::kNotFound       ? "systemctl start bifrost-agent"
                   : segment.error().code == ErrorCode::kIncompatible ? "install the same release of agent and tools"
                                                                      : "see docs/threat-model.md, section 3"});
  } else {
    const SegmentInfo info = (*segment)->info();
    const auto answer = ask_state(context.segment_dir(), Deadline(kNodeTime));
    const Health health = assess(info, boot_now(), &answer);
    out.push_back(
        {Grade::kGood, "segment",
         fmt::format("layout {}, {}, {} modules", info.layout_version, human_bytes(info.size_bytes), info.modules),
         ""});
    for (const Problem& p : health.problems) {
      const bool sends_here = p.advice.starts_with("bifrost-cachectl doctor");
      out.push_back({health.ready ? Grade::kNote : Grade::kBad, "mirror", p.what,
                     sends_here ? "see what is said of redis below; the agent tries again by itself" : p.advice});
    }
    if (health.problems.empty()) {
      out.push_back(
          {Grade::kGood, "mirror", fmt::format("{}, generation {}", health.state, info.generation.value), ""});
    }
    if (health.ready && health.deploying_since_unix_ms != 0) {  // otherwise a problem says it
      out.push_back({Grade::kNote, "mirror", "a deploy goes on " + deploy_text(health), deploy_advice()});
    }
    if (info.agent_version != BIFROST_VERSION) {
      out.push_back({Grade::kNote, "agent",
                     fmt::format("its version is {}, this program's {}", info.agent_version, BIFROST_VERSION),
                     "restart the agent after an upgrade: systemctl restart bifrost-agent"});
    }
  }
  const auto pong = AgentConnection(context.segment_dir()).ask(control::kPing, Deadline(kNodeTime));
  if (pong) {
    out.push_back({Grade::kGood, "agent", "answers on its control socket", ""});
    return;
  }
  const ErrorCode why = pong.error().code;
  const std::string_view what = why == ErrorCode::kTimeout ? "restart" : "start";
  out.push_back({Grade::kBad, "agent", pong.error().message,
                 why == ErrorCode::kPermission
                     ? kJoinTheGroup
                     : fmt::format("systemctl {} bifrost-agent; then journalctl -u bifrost-agent", what)});
}

}  // namespace bifrost::cachectl
