#include "runner/progress.h"

#include <algorithm>
#include <cstdio>

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"

namespace kablate {
namespace {

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

Progress::Progress(std::int64_t num_trials, double work)
    : terminal_(::isatty(STDERR_FILENO) == 1), num_trials_(num_trials), work_(work) {}

void Progress::event(const std::string& line) {
  clear();
  std::fprintf(stderr, "%s\n", line.c_str());
}

std::string Progress::estimate(double under_way) const {
  const double fraction = work_ > 0 ? (done_ + under_way) / work_ : 1;
  if (fraction < 0.005 || watch_.seconds() < 2) return "time left: not known yet";
  return "about " + human_duration(watch_.seconds() * (1 - fraction) / fraction) + " left";
}

void Progress::show(const std::vector<RunningTrial>& running, double under_way) {
  if (!terminal_) return;
  std::string line = str("[", num_done_, "/", num_trials_, "] ", estimate(under_way));
  for (const auto& trial : running)
    line += str(" | ", trial.label, " ", fixed(100 * trial.fraction, 0), " %");
  line.resize(std::min(line.size(), terminal_width() - 1));
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
  shown_ = true;
}

void Progress::clear() {
  if (shown_) std::fprintf(stderr, "\r\033[K");
  shown_ = false;
}

}  // namespace kablate
