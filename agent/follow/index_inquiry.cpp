#include "agent/follow/index_inquiry.hpp"

#include <utility>
#include <vector>

#include "common/redis/contract.hpp"

namespace bifrost::agent {
namespace {

constexpr std::size_t kSample = 1000;

std::vector<ModulePath> not_listed(const std::vector<ModulePath>& asked, const redisReply& members) {
  const auto listed = elements_of(members);
  std::vector<ModulePath> others;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (i < listed.size() && listed[i]->integer != 1) others.push_back(asked[i]);
  }
  return others;
}

}  // namespace

void ask_whether_index_was_lost(DataConnection& data, const Mirror& mirror, std::function<void(bool lost)> on_done) {
  std::vector<ModulePath> sample = mirror.listed(kSample);
  if (sample.empty()) return on_done(false);
  Command members{"SMISMEMBER", contract::kIndexKey};
  for (const ModulePath& path : sample) members.push_back(path.text());
  data.ask(members, [&data, sample = std::move(sample), on_done = std::move(on_done)](const redisReply& reply,
                                                                                      const std::string&) {
    const std::vector<ModulePath> others = not_listed(sample, reply);
    const std::size_t listed = sample.size() - others.size();
    if (others.size() <= listed) return on_done(false);
    std::vector<std::string> keys;
    for (const ModulePath& path : others) keys.push_back(contract::key_of(path));
    Command exists{"EXISTS"};
    exists.insert(exists.end(), keys.begin(), keys.end());
    data.ask(exists, [listed, on_done](const redisReply& there, const std::string&) {
      on_done(there.type == REDIS_REPLY_INTEGER && there.integer > static_cast<long long>(listed));
    });
  });
}

}  // namespace bifrost::agent
