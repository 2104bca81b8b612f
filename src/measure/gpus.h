// The GPUs of this machine, shared out among processes side by side: a process has one, the first that it
// sees, and each sees its own alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "measure/variables.h"

namespace kablate {

// The GPUs that this process sees, as CUDA_VISIBLE_DEVICES names them: by its own words where it is set ("2",
// "GPU-8932f937"), else by numbers.
std::vector<std::string> visible_gpus();

// The same of `environment`, where the driver finds `found` of them.
std::vector<std::string> gpu_names(const Variables& environment, std::int64_t found);

class GpuPool {
 public:
  explicit GpuPool(std::vector<std::string> names);

  // The GPU that the fewest have, of equals the first; "" where there is no choice.
  std::string take();
  void give_back(const std::string& name);

 private:
  struct Shared {
    std::string name;
    std::int64_t users = 0;
  };
  std::vector<Shared> gpus_;
};

}  // namespace kablate
