#include "agent/follow/deploy_watch.hpp"

#include "agent/loop/log.hpp"
#include "agent/loop/unix_time.hpp"
#include "common/redis/contract.hpp"

namespace bifrost::agent {
bool DeployWatch::seen(bool exists) {
  switch (bracket_.seen(exists, boot_now())) {
    case DeployBracket::Change::kNone: return false;
    case DeployBracket::Change::kBegun:
      since_unix_ms_ = unix_ms();
      log::info("deploy_begun", {{"key", contract::kDeployingKey}});
      return true;
    case DeployBracket::Change::kEnded: log::info("deploy_ended", {{"key", contract::kDeployingKey}}); return true;
  }
  return false;
}

bool DeployWatch::becomes_overdue() {
  if (!bracket_.becomes_overdue(boot_now())) return false;
  log::warn("deploy_overdue", {{"key", contract::kDeployingKey},
                               {"why", "it has been there for more than ten minutes"},
                               {"then", "generations are published again"},
                               {"do", "delete the key when the deploy is over"}});
  return true;
}

}  // namespace bifrost::agent
