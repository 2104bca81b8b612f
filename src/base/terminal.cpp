#include "base/terminal.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <sys/ioctl.h>
#include <unistd.h>

namespace kablate {

std::size_t terminal_width() {
  constexpr std::size_t kLeast = 40;
  winsize size{};
  if (::isatty(STDOUT_FILENO) == 0 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return 0;
  return std::max<std::size_t>(kLeast, size.ws_col);
}

bool output_has_colour() {
  const char *refused = std::getenv("NO_COLOR"), *kind = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) == 1 && (refused == nullptr || *refused == '\0') && kind != nullptr &&
         std::string_view(kind) != "dumb";
}

std::size_t output_width() {
  const auto columns = terminal_width();
  return columns == 0 ? kPlainWidth : columns;
}

}  // namespace kablate
