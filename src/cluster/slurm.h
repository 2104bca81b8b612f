// Slurm's commands: sbatch, squeue, sacct, scontrol.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kablate {

// What Slurm says of a job: of a task of an array, "12" and 3; of another job, the number alone.
struct SlurmTask {
  std::string job;
  std::optional<std::int64_t> task;
  std::string state;   // PENDING, RUNNING, …, COMPLETED, NODE_FAIL, …
  std::string reason;  // why it waits
  std::string node;
};

// The id that sbatch gave the job; it is called without the variables `unset`. Throws UserError with what it
// said.
std::string submit_job(const std::vector<std::string>& call, const std::vector<std::string>& unset);

// Of this user's jobs those that have not ended; empty where squeue can't be asked: `why` then says so.
std::optional<std::vector<SlurmTask>> queued_tasks(std::string* why = nullptr);

// Of these jobs the tasks that have ended, as accounting keeps them; none where there is no accounting.
std::vector<SlurmTask> ended_tasks(const std::vector<std::string>& jobs);

// How many tasks an array may have here; empty where scontrol can't be asked.
std::optional<std::int64_t> most_array_tasks();

// What Slurm calls this process's job: "42_3", a task of an array. Its SLURM_JOB_ID is a number of its own,
// but that of one task is the array's, by which the whole array would be meant. "" outside Slurm.
std::string this_job();

// What Slurm calls the state of the job that this process runs in; "" where it doesn't say.
std::string state_of_this_job();

// Puts the job that this process runs in back into the queue; what scontrol said if it did not.
std::string requeue_this_job();

// The parsers behind them.
std::vector<SlurmTask> parse_squeue(const std::string& text);
std::vector<SlurmTask> parse_sacct(const std::string& text);

}  // namespace kablate
