#include "base/terminal.h"

#include <algorithm>

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

std::size_t output_width() {
  const auto columns = terminal_width();
  return columns == 0 ? kPlainWidth : columns;
}

}  // namespace kablate
