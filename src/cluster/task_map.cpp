#include "cluster/task_map.h"

#include "cluster/submission.h"

namespace kablate {

namespace {

std::string folder_name(const SubmittedTrial& trial) {
  return trial_folder_name({.step = trial.step, .name = trial.name, .seed = trial.seed, .key = trial.key});
}

}  // namespace

std::map<std::string, std::filesystem::path> logs_by_trial(const ExperimentFolder& folder) {
  std::map<std::string, std::filesystem::path> logs;
  for (const auto& submitted : submissions(folder)) {
    const auto submission = read_submission(submitted);
    for (const auto& job : read_jobs(submitted))
      for (std::int64_t i = 0; i < job.count && job.first + i < std::ssize(submission.trials); ++i)
        logs[folder_name(submission.trials[static_cast<std::size_t>(job.first + i)])] =
            submitted.log() / (job.id + "_" + std::to_string(i) + ".txt");
  }
  return logs;
}

std::map<std::string, SlurmTask> tasks_by_trial(const ExperimentFolder& folder,
                                                const std::vector<SlurmTask>& tasks) {
  std::map<std::string, std::vector<const SlurmTask*>> by_job;
  for (const auto& task : tasks)
    if (task.task) by_job[task.job].push_back(&task);
  std::map<std::string, SlurmTask> found;
  for (const auto& submitted : submissions(folder)) {
    const auto jobs = read_jobs(submitted);
    bool asked = false;
    for (const auto& job : jobs) asked = asked || by_job.contains(job.id);
    if (!asked) continue;
    const auto submission = read_submission(submitted);
    for (const auto& job : jobs)
      for (const auto* task : by_job[job.id]) {
        const auto place = job.first + *task->task;
        if (*task->task >= job.count || place >= std::ssize(submission.trials)) continue;
        const auto& trial = submission.trials[static_cast<std::size_t>(place)];
        found[folder_name(trial)] = *task;
      }
  }
  return found;
}

std::vector<std::string> submitted_arrays(const ExperimentFolder& folder) {
  std::vector<std::string> ids;
  for (const auto& submitted : submissions(folder))
    for (const auto& job : read_jobs(submitted))
      if (job.count > 0) ids.push_back(job.id);
  return ids;
}

}  // namespace kablate
