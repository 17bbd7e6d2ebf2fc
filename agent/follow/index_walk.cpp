#include "agent/follow/index_walk.hpp"

#include <iterator>
#include <span>

#include "common/redis/contract.hpp"

namespace bifrost::agent {
namespace {

constexpr std::string_view kPageMembers = "1000";
constexpr std::size_t kBlockPaths = 1000;  // how many keys one EXISTS names

}  // namespace

void IndexWalk::begin(BootTime now) {
  if (running_) stop();
  turn_ = (turn_ + 1) % kTurns;
  mirror_.begin_scan(now);
  go_through(false);
}

void IndexWalk::go_through(bool all) {
  running_ = true;
  all_ = all;
  beyond_index_ = listed_ = missed_ = false;
  losses_ = mirror_.index_losses();
  cursor_ = kFirstCursor;
  blocks_.clear();
}

bool IndexWalk::has_turn(ModulePathView path) const {
  return all_ || ModulePathHash{}(path) % kTurns == turn_;
}

void IndexWalk::stop() {
  stopped_ = under_way_;
  running_ = false;
  blocks_.clear();
}

void IndexWalk::ask_next(const std::function<void(const Command&)>& ask) {
  if (!running_ || under_way_) return;
  under_way_ = true;
  block_asked_ = !blocks_.empty();
  if (!block_asked_) return ask({"SSCAN", contract::kIndexKey, cursor_, "COUNT", kPageMembers});
  std::vector<std::string> keys;
  for (const ModulePath& path : blocks_.front().paths) keys.push_back(contract::key_of(path));
  Command exists{"EXISTS"};
  exists.insert(exists.end(), keys.begin(), keys.end());
  ask(exists);
}

Status IndexWalk::on_answer(const redisReply& answer) {
  under_way_ = false;
  if (std::exchange(stopped_, false)) return Done{};
  if (!block_asked_) {
    if (const Status read = on_page(answer); !read) return read;
  } else {
    if (answer.type != REDIS_REPLY_INTEGER) {
      return Error{ErrorCode::kRefused, "EXISTS was refused: " + std::string(text_of(answer))};
    }
    Block block = std::move(blocks_.front());
    blocks_.pop_front();
    on_count(std::move(block), answer.integer);
  }
  if (!blocks_.empty() || !beyond_index_) return Done{};
  if (missed_ && !all_) {
    go_through(true);
  } else {
    running_ = false;
  }
  return Done{};
}

Status IndexWalk::on_page(const redisReply& page) {
  const auto parts = elements_of(page);
  const bool no_set = is_wrong_type(page);
  if (parts.size() != 2 && !no_set) {
    return Error{ErrorCode::kRefused, "SSCAN was refused: " + std::string(text_of(page))};
  }
  Block there{{}, true};
  Block absent{{}, false};
  for (const redisReply* element : no_set ? std::span<redisReply*>{} : elements_of(*parts[1])) {
    listed_ = true;
    const auto path = ModulePathView::parse(text_of(*element));
    if (!path) continue;
    switch (mirror_.note_listed(*path)) {
      case Mirror::Known::kHeld:
        if (has_turn(*path)) there.paths.emplace_back(*path);
        break;
      case Mirror::Known::kRetained:
      case Mirror::Known::kNot: absent.paths.emplace_back(*path); break;
      case Mirror::Known::kLeftOut: mark_(*path, RefreshQueue::Doubt::kUnspecific); break;
    }
  }
  add(std::move(there));
  add(std::move(absent));
  cursor_ = no_set ? kFirstCursor : text_of(*parts[0]);
  if (cursor_ == kFirstCursor) go_beyond_the_index();
  return Done{};
}

void IndexWalk::go_beyond_the_index() {
  beyond_index_ = true;
  if (!listed_ && !emptied_()) {
    mirror_.find_no_index();  // if it ever was there
  } else if (mirror_.index_losses() == losses_) {
    mirror_.note_index_walked();
  }
  Block there{{}, true};
  mirror_.for_each_unseen([&](ModulePathView path) {
    there.paths.emplace_back(path);
    if (there.paths.size() == kBlockPaths) add(std::exchange(there, Block{{}, true}));
  });
  add(std::move(there));
  mirror_.for_each_delisted([this](ModulePathView path) { mark_(path, RefreshQueue::Doubt::kGone); });
}

void IndexWalk::add(Block block) {
  if (!block.paths.empty()) blocks_.push_back(std::move(block));
}

void IndexWalk::on_count(Block block, long long count) {
  const auto expected = block.there ? static_cast<long long>(block.paths.size()) : 0;
  if (count == expected) return;
  missed_ |= block.there;
  if (block.paths.size() == 1) {
    return mark_(block.paths.front(), block.there ? RefreshQueue::Doubt::kGone : RefreshQueue::Doubt::kUnspecific);
  }
  const auto middle = block.paths.begin() + static_cast<std::ptrdiff_t>(block.paths.size() / 2);
  Block half{{std::make_move_iterator(middle), std::make_move_iterator(block.paths.end())}, block.there};
  block.paths.erase(middle, block.paths.end());
  blocks_.push_front(std::move(half));
  blocks_.push_front(std::move(block));
}

}  // namespace bifrost::agent
