#include "base/terminal.h"

#include <algorithm>

#include <sys/ioctl.h>
#include <unistd.h>

namespace kablate {

std::size_t output_width() {
  constexpr std::size_t kLeast = 40;
  winsize size{};
  if (::isatty(STDOUT_FILENO) == 0 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return kPlainWidth;
  return std::max<std::size_t>(kLeast, size.ws_col);
}

}  // namespace kablate
