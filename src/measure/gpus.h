// The GPUs of this machine, shared out among processes side by side: a process has one, the first that it
// sees, and each sees its own alone; or a trial's launcher sees one for each of its ranks.
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

// The one that this rank should see alone, as CUDA_VISIBLE_DEVICES should name it. Of several names in
// `environment` it is the one at its place among the ranks of its host, which mpirun and srun tell; the only
// one, which its launcher has bound it to; and the number of its place where there are none. Throws UserError
// if there are too few.
std::string gpu_of_rank(const Variables& environment);

// From here on this process, a rank of several, sees that GPU alone. To be called before anything else asks
// for a device, MPI included: the driver looks once. Throws UserError as above, and where there is no such
// GPU or the driver was asked before.
void see_own_gpu();

class GpuPool {
 public:
  explicit GpuPool(std::vector<std::string> names);

  // The `count` GPUs that the fewest have, of equals the first, with commas between; "" where there is no
  // choice.
  std::string take(std::int64_t count = 1);
  void give_back(const std::string& names);

 private:
  struct Shared {
    std::string name;
    std::int64_t users = 0;
  };
  std::vector<Shared> gpus_;
};

}  // namespace kablate
