// output.hpp - where a verb's words go: data to stdout, messages to stderr.
//
// A reader that closes the pipe early (`| head`) has what it wanted: the rest is dropped without a message. Any other
// failure to write is remembered and ends the program with an error: half an answer must not look like a whole one.
// One thread.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/result.hpp"
#include "tools/cachectl/exit_code.hpp"

namespace bifrost::cachectl {

enum class OutputFormat { kTable, kWide, kJson };

class Output {
 public:
  enum class Colour { kAuto, kAlways, kNever };
  explicit Output(int fd, Colour colour = Colour::kAuto, bool headers = true);

  void write(std::string_view bytes);
  void line(std::string_view text);
  template <class... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    write(fmt::format(format, std::forward<Args>(args)...));
  }
  // One JSON document. Always valid UTF-8: bytes that are not become U+FFFD.
  void json(const nlohmann::ordered_json& document);

  // Writes what is still buffered and tells whether everything has arrived.
  Status finish();

  // Whether tables begin with their column titles.
  bool headers() const { return headers_; }
  // Everything so far becomes visible now: for verbs that go on for a while.
  void flush();
  // Whether what is written reaches nobody any more: whoever read it has gone, or a write has failed. Verbs that go on
  // for a while end then; finish() tells which it was.
  bool in_vain();

  // Columns of the terminal that the output goes to; cli::kUnlimited elsewhere, where nothing is cut or wrapped.
  std::size_t width() const { return width_; }
  // `label`, then `text` from column `indent` on, wrapped between words.
  void paragraph(std::string_view label, std::string_view text, std::size_t indent);

  // `text` in the colour of a state, if the output is a terminal that wants colours.
  enum class Tone { kGood, kWarning, kBad };
  std::string toned(std::string_view text, Tone tone) const;

 private:
  int fd_;
  bool colours_;
  bool headers_;
  std::size_t width_;
  std::string buffer_;
  bool closed_ = false;  // by the reader
  int error_ = 0;        // errno of the first failed write
};

// JSON text of a document, as Output::json writes it, on one line.
std::string json_line(const nlohmann::ordered_json& document);

// "bifrost-cachectl: {message}" on stderr: one line whatever the message holds, on a terminal wrapped between words.
void say(std::string_view message);

// Says the error and maps it to the exit code.
ExitCode fail(const Error& error);

// NO_COLOR (not empty) and TERM=dumb turn colours off, as does anything but a terminal.
bool wants_colours(int fd);

// Whether `fd` is a terminal whose cursor may be moved.
bool is_screen(int fd);

}  // namespace bifrost::cachectl
