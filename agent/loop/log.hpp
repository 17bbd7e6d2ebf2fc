// log.hpp - one line per event on stderr: `level=info event=synced modules=4012 ms=83`, or the same as JSON.
//
// Values are quoted and escaped, so that a hostile path cannot forge a line or drive a terminal. Identical lines within
// a few seconds collapse into one `repeated` line with their number. One thread. Never pass credentials:
// RedisUrl::display() has none.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/result.hpp"

namespace bifrost::agent::log {

enum class Level { kDebug, kInfo, kWarn, kError };

class Value {
 public:
  Value(std::string_view text) : text_(text) {}
  Value(const std::string& text) : text_(text) {}
  Value(const char* text) : text_(text) {}
  Value(std::uint64_t number) : text_(std::to_string(number)), is_number_(true) {}

  const std::string& text() const { return text_; }
  bool is_number() const { return is_number_; }

 private:
  std::string text_;
  bool is_number_ = false;
};

using Fields = std::initializer_list<std::pair<std::string_view, Value>>;

// Errors: kInvalidArgument for an unknown level or format.
Status set_up(std::string_view level, std::string_view format);

// Another level from now on. Errors: kInvalidArgument.
Status set_level(std::string_view level);

std::string_view name_of(Level level);

// Hears of every event, whatever the level, before repeats collapse. Empty: nobody does. Must not log.
using Listener = std::function<void(Level level, std::string_view name, Fields fields)>;
void set_listener(Listener listener);

void event(Level level, std::string_view name, Fields fields = {});
inline void debug(std::string_view name, Fields fields = {}) {
  event(Level::kDebug, name, fields);
}
inline void info(std::string_view name, Fields fields = {}) {
  event(Level::kInfo, name, fields);
}
inline void warn(std::string_view name, Fields fields = {}) {
  event(Level::kWarn, name, fields);
}
inline void error(std::string_view name, Fields fields = {}) {
  event(Level::kError, name, fields);
}

}  // namespace bifrost::agent::log
