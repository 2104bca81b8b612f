#include "distributed/mpi_transport.h"

#include <dlfcn.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace kablate {

std::filesystem::path mpi_module(std::int64_t ranks) {
  constexpr const char* kName = "libkablate_mpi.so";
  const auto program = program_folder();
  std::error_code ignored;
  for (const auto& folder : {program, program / ".." / "lib" / "kablate"})
    if (std::filesystem::exists(folder / kName, ignored)) return folder / kName;
  throw UserError(
      str("RANKS = ", ranks, ": this program was built without MPI (there is no ", (program / kName).string(),
          "); `make RANKS=", ranks,
          "` installs Open MPI and builds again (Debian's libopenmpi-dev and openmpi-bin), or set "
          "RANKS to 1"));
}

std::unique_ptr<Transport> connect_by_mpi(std::int64_t ranks) {
  const auto path = mpi_module(ranks);
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);  // Open MPI's own parts look for its names
  void* found = library == nullptr ? nullptr : ::dlsym(library, "kablate_mpi_transport");
  if (found == nullptr)
    throw UserError(str("RANKS = ", ranks, ": ", ::dlerror(), "; `make` builds it again"));
  std::unique_ptr<Transport> transport(reinterpret_cast<Transport* (*)()>(found)());
  if (transport->size() != ranks)
    throw UserError(str("RANKS = ", ranks, ": ", transport->size(),
                        " were started; is the mpirun on PATH of the MPI that the program was built with?"));
  return transport;
}

}  // namespace kablate
