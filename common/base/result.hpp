// result.hpp - a value or the reason why there is none.
//
// Errors cross module boundaries as values: common never throws, prints or exits, because it lives inside
// other people's processes. The message is one sentence that a person can act on.
// Concurrency: plain values, no shared state.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace bifrost {

enum class ErrorCode {
  kInvalidArgument,  // the caller's input can never work
  kNotFound,         // the thing does not exist (yet)
  kPermission,       // the operating system refused
  kUntrusted,        // it exists, but its owner or mode make it unsafe to use
  kIncompatible,     // made by another layout version or protocol
  kDamaged,          // it contradicts itself
  kTimeout,          // the deadline passed
  kUnreachable,      // no connection, or it broke
  kRefused,          // the peer answered with an error
  kNoSpace,          // out of memory or file system space
  kBusy,             // another process holds it
  kIo,               // any other operating system error
};

// Whether it says something of the moment rather than of the thing: another try may go well.
constexpr bool is_momentary(ErrorCode code) {
  switch (code) {
    case ErrorCode::kPermission:
    case ErrorCode::kTimeout:
    case ErrorCode::kUnreachable:
    case ErrorCode::kNoSpace:
    case ErrorCode::kBusy:
    case ErrorCode::kIo: return true;
    default: return false;
  }
}

struct Error {
  ErrorCode code = ErrorCode::kIo;
  std::string message;
};

// `E` is another type where the reason is one of a few and the caller finds the words.
template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  constexpr Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  constexpr Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}

  constexpr bool ok() const { return state_.index() == 0; }
  constexpr explicit operator bool() const { return ok(); }

  // Only when ok().
  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }

  // Only when !ok().
  const E& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, E> state_;
};

// Success without a value.
struct Done {};
using Status = Result<Done>;

}  // namespace bifrost
