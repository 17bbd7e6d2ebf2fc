#include "agent/follow/flush_inquiry.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "common/redis/contract.hpp"

namespace bifrost::agent {
namespace {

constexpr std::size_t kSample = 1000;

// Deletions go on while the question is on its way.
bool most_of(std::size_t listed, std::size_t asked) {
  return asked != 0 && 10 * listed >= 9 * asked;
}

}  // namespace

FlushInquiry::~FlushInquiry() {
  if (open_ != 0) mirror_.confirm_loss();
}

void FlushInquiry::begin(DataConnection& data) {
  const std::vector<ModulePath> sample = mirror_.listed(kSample);
  mirror_.suspect_loss();
  ++open_;
  const auto index_exists = std::make_shared<bool>();
  data.ask({"EXISTS", contract::kIndexKey},
           [index_exists](const redisReply& reply, const std::string&) { *index_exists = reply.integer == 1; });
  Command command{"SMISMEMBER", contract::kIndexKey};
  for (const ModulePath& path : sample) command.push_back(path.text());
  if (sample.empty()) command.push_back("");
  data.ask(command, [this, index_exists, asked = sample.size()](const redisReply& reply, const std::string&) {
    const auto members = elements_of(reply);
    const auto listed = std::ranges::count_if(members, [](const redisReply* one) { return one->integer == 1; });
    conclude(swapped_ ? !*index_exists : !most_of(static_cast<std::size_t>(listed), asked));
  });
}

// A suspicion is taken back when no other is open; a loss is one whatever the others turn out to be.
void FlushInquiry::conclude(bool ours) {
  --open_;
  if (ours) {
    mirror_.confirm_loss();
  } else if (open_ == 0) {
    mirror_.take_back_loss();
  }
}

}  // namespace bifrost::agent
