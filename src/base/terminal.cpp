#include "base/terminal.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"

namespace kablate {
namespace {

constexpr std::int64_t kLeastWidth = 40;

bool set_and_not_empty(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

bool is_terminal_with_codes(int descriptor) {
  return ::isatty(descriptor) == 1 && set_and_not_empty("TERM") &&
         std::string_view(std::getenv("TERM")) != "dumb";
}

TerminalSize size_of(int descriptor) {
  winsize size{};
  TerminalSize result;
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0) return result;
  if (size.ws_col > 0) result.columns = size.ws_col;
  if (size.ws_row > 0) result.rows = size.ws_row;
  return result;
}

}  // namespace

std::size_t terminal_width() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) == 0 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return 0;
  return std::max<std::size_t>(kLeastWidth, size.ws_col);
}

bool output_has_colour() { return is_terminal_with_codes(STDOUT_FILENO) && !set_and_not_empty("NO_COLOR"); }

ErrorTerminal error_terminal() {
  ErrorTerminal terminal;
  terminal.rewritable = is_terminal_with_codes(STDERR_FILENO);
  terminal.colour = terminal.rewritable && !set_and_not_empty("NO_COLOR");
  const bool tmux = set_and_not_empty("TMUX");
  const bool console = terminal.rewritable && std::string_view(std::getenv("TERM")) == "linux";
  terminal.reflows = tmux || !(console || set_and_not_empty("XTERM_VERSION") || set_and_not_empty("STY"));
  return terminal;
}

TerminalSize error_size() { return size_of(STDERR_FILENO); }

bool output_is_rewritable() { return is_terminal_with_codes(STDOUT_FILENO); }
std::size_t output_rows() { return size_of(STDOUT_FILENO).rows; }

std::size_t output_width() {
  if (const auto columns = terminal_width(); columns > 0) return columns;
  const char* said = std::getenv("COLUMNS");  // a shell keeps it to itself: who exports it means it
  const auto columns = parse_int(said == nullptr ? "" : said);
  return columns && *columns >= kLeastWidth ? static_cast<std::size_t>(*columns) : kPlainWidth;
}

}  // namespace kablate
