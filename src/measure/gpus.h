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

// The one that is the `place`-th rank of its host's, from 0, as CUDA_VISIBLE_DEVICES should name it: of
// several names in `environment` its own; the only one, which the launcher has chosen; the number where there
// are none. "" if there are too few.
std::string gpu_of_rank(const Variables& environment, std::int64_t place);

// From here on this process sees that GPU alone. To be called before anything asks LibTorch for a device: the
// driver looks once. Throws UserError if `host` has too few for its ranks. A CPU build of LibTorch sees none.
void see_gpu_of_rank(std::int64_t place, const std::string& host);

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
