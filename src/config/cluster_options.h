// What a cluster's scheduler is asked for. No number of a trial depends on it.
#pragma once

#include <cstdint>
#include <string>

namespace kablate {

// "" leaves a thing to the partition.
struct SlurmOptions {
  std::string partition, account, qos, time, memory, constraint;
  std::string extra;         // further options of sbatch, as one would type them
  std::int64_t cpus = 0;     // of a task; 0: the threads of a trial
  std::int64_t gpus = 0;     // of a task
  std::int64_t at_once = 0;  // tasks; 0: as many as the cluster starts
  std::int64_t notice = 0;   // seconds before the time limit
};

}  // namespace kablate
