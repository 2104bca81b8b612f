#include "cluster/slurm.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/spawn.h"
#include "base/text.h"

namespace kablate {
namespace {

struct Said {
  std::optional<int> code;
  std::string text;
  bool well() const { return code == 0; }
  std::string line() const {
    auto lines = split(std::string(trim(text)), '\n');
    std::erase_if(lines, [](const std::string& one) { return trim(one).empty(); });
    return lines.empty() ? code ? str("it ended with exit code ", *code) : "it can't be run"
                         : join(lines, "; ");
  }
};

// The user's variables for these programs say how they print, and would change what is read.
Said ask(const std::vector<std::string>& line, const std::vector<std::string>& unset = {}) {
  auto variables = environment_without({"SQUEUE_", "SACCT_", "SLURM_TIME_FORMAT="});
  std::erase_if(variables, [&](const std::string& variable) {
    return std::ranges::any_of(unset,
                               [&](const std::string& name) { return variable.starts_with(name + "="); });
  });
  Said said;
  said.code = run_program(line, variables, [&](std::string_view piece) { said.text += piece; });
  return said;
}

// Marks our own lines among warnings.
constexpr std::string_view kMark = "kablate|";
constexpr const char* kFormat = "--format=kablate|%F|%K|%T|%r|%N";

std::optional<std::int64_t> task_of(const std::string& text) {
  const auto number = parse_int(text);
  return number && *number >= 0 ? number : std::nullopt;
}

}  // namespace

std::string submit_job(const std::vector<std::string>& call, const std::vector<std::string>& unset) {
  const Said said = ask(call, unset);
  if (said.well())  // with several clusters "12;name"
    for (const auto& line : split(said.text, '\n'))
      if (const auto id = line.substr(0, line.find(';')); parse_int(id)) return id;
  throw UserError(str(said.code ? "sbatch refused the job" : "sbatch can't be run", " (", join(call, " "),
                      "): ", said.code ? said.line() : "is Slurm installed here?"));
}

std::vector<SlurmTask> parse_squeue(const std::string& text) {
  std::vector<SlurmTask> tasks;
  for (const auto& line : split(text, '\n')) {
    if (!line.starts_with(kMark)) continue;
    const auto parts = split(line, '|');
    if (parts.size() != 6) continue;
    tasks.push_back({parts[1], task_of(parts[2]), parts[3], parts[4], parts[5]});
  }
  return tasks;
}

std::optional<std::vector<SlurmTask>> queued_tasks(std::string* why) {
  const Said said = ask({"squeue", "--noheader", "--array", "--me", kFormat});
  if (said.well()) return parse_squeue(said.text);
  if (why != nullptr) *why = said.code ? "squeue: " + said.line() : "squeue can't be run here";
  return {};
}

std::vector<SlurmTask> parse_sacct(const std::string& text) {
  std::vector<SlurmTask> tasks;
  for (const auto& line : split(text, '\n')) {
    const auto parts = split(line, '|');
    if (parts.size() != 3) continue;
    const auto cut = parts[0].find('_');
    const auto state = parts[1].substr(0, parts[1].find(' '));  // "CANCELLED by 0"
    if (!parse_int(parts[0].substr(0, cut))) continue;
    SlurmTask task{parts[0].substr(0, cut), {}, state, "", parts[2]};
    if (cut != std::string::npos) task.task = task_of(parts[0].substr(cut + 1));
    if (cut == std::string::npos || task.task) tasks.push_back(std::move(task));
  }
  return tasks;
}

std::vector<SlurmTask> ended_tasks(const std::vector<std::string>& jobs) {
  if (jobs.empty()) return {};
  const Said said = ask({"sacct", "--noheader", "--parsable2", "--allocations",
                         "--format=JobID,State,NodeList", "--jobs=" + join(jobs, ",")});
  return said.well() ? parse_sacct(said.text) : std::vector<SlurmTask>{};
}

std::optional<std::int64_t> most_array_tasks() {
  const Said said = ask({"scontrol", "show", "config"});
  if (!said.well()) return {};
  for (const auto& line : split(said.text, '\n')) {
    if (!line.starts_with("MaxArraySize")) continue;
    // One more than the largest number that a task may have; 0: there are no arrays.
    const auto most = parse_int(trim(line.substr(line.find('=') + 1)));
    return most && *most > 1 ? std::optional(*most - 1) : std::nullopt;
  }
  return {};
}

std::string this_job() {
  const auto value = [](const char* name) {
    const char* text = std::getenv(name);
    return std::string(text == nullptr ? "" : text);
  };
  const auto array = value("SLURM_ARRAY_JOB_ID"), task = value("SLURM_ARRAY_TASK_ID");
  return array.empty() || task.empty() ? value("SLURM_JOB_ID") : array + "_" + task;
}

std::string state_of_this_job() {
  const auto job = this_job();
  if (job.empty()) return "";
  const Said said = ask({"squeue", "--noheader", "--array", "--jobs=" + job, kFormat});
  const auto tasks = parse_squeue(said.text);
  return said.well() && tasks.size() == 1 ? tasks.front().state : "";
}

std::string requeue_this_job() {
  const auto job = this_job();
  if (job.empty()) return "neither SLURM_ARRAY_JOB_ID nor SLURM_JOB_ID is set";
  const Said said = ask({"scontrol", "requeue", job});
  if (said.well()) return "";
  // Slurm ends the job's processes, scontrol perhaps before it has its answer.
  const auto state = state_of_this_job();
  return !said.code && (state == "PENDING" || state == "COMPLETING") ? "" : said.line();
}

}  // namespace kablate
