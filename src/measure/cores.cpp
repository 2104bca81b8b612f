#include "measure/cores.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sched.h>
#include <unistd.h>

#include "base/text.h"

namespace kablate {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// quota/period in microseconds; empty for "max", -1 and what is no number.
std::optional<double> cores_of(const std::string& quota, const std::string& period) {
  const auto us = parse_int(trim(quota)), every = parse_int(trim(period));
  if (!us || !every || *us <= 0 || *every <= 0) return {};
  return static_cast<double>(*us) / static_cast<double>(*every);
}

std::optional<double> quota_in(const fs::path& folder) {
  if (const auto line = first_line(folder / "cpu.max"); !line.empty()) {  // version 2
    const auto words = split(line, ' ');
    return words.size() == 2 ? cores_of(words[0], words[1]) : std::nullopt;
  }
  return cores_of(first_line(folder / "cpu.cfs_quota_us"), first_line(folder / "cpu.cfs_period_us"));
}

// The smallest of a group and the groups that it lies in. A path from outside a container does not exist
// inside it; what stands at the mount itself is then the container's.
std::optional<double> smallest_quota(const fs::path& mount, const fs::path& group) {
  std::optional<double> smallest;
  for (fs::path at = group.relative_path();; at = at.parent_path()) {
    if (const auto cores = quota_in(mount / at); cores && (!smallest || *cores < *smallest)) smallest = cores;
    if (at.empty()) return smallest;
  }
}

// Busy and all ticks of every core so far.
struct Ticks {
  double busy = 0, all = 0;
};
std::optional<Ticks> ticks() {
  std::istringstream words(first_line("/proc/stat"));
  std::string name;
  words >> name;
  Ticks result;
  double value = 0;
  for (int i = 0; i < 8 && words >> value; ++i) {  // user nice system idle iowait irq softirq steal
    result.all += value;
    if (i != 3 && i != 4) result.busy += value;
  }
  return name == "cpu" && result.all > 0 ? std::optional(result) : std::nullopt;
}

}  // namespace

std::int64_t available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const std::int64_t allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return std::min(allowed, quota_cores().value_or(allowed));
}

std::optional<std::int64_t> quota_cores(const fs::path& root) {
  const fs::path groups = root / "sys/fs/cgroup";
  std::optional<double> smallest;
  std::ifstream lines(root / "proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {  // NUMBER:CONTROLLER,…:PATH; version 2: 0::PATH
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const auto names = line.substr(first + 1, second - first - 1);
    const auto controllers = split(names, ',');
    const bool two = names.empty();
    if (!two && std::find(controllers.begin(), controllers.end(), "cpu") == controllers.end()) continue;
    for (const auto& mount :
         two ? std::vector<fs::path>{groups} : std::vector<fs::path>{groups / names, groups / "cpu"})
      if (const auto cores = smallest_quota(mount, line.substr(second + 1));
          cores && (!smallest || *cores < *smallest))
        smallest = cores;
  }
  if (!smallest) return {};
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(*smallest));
}

std::optional<double> busy_cores(double seconds) {
  const auto before = ticks();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  const auto after = ticks();
  if (!before || !after || after->all <= before->all) return {};
  const auto cores = static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN));
  return cores * (after->busy - before->busy) / (after->all - before->all);
}

}  // namespace kablate
