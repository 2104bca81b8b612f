#include "distributed/mpi_transport.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "distributed/module.h"

namespace kablate {

std::filesystem::path mpi_module(std::int64_t ranks) {
  constexpr const char* kName = "libkablate_mpi.so";
  const auto module = find_module(kName);
  if (!module.empty()) return module;
  throw UserError(
      str("RANKS = ", ranks, ": this program was built without MPI (there is no ",
          (program_folder() / kName).string(), "); `make RANKS=", ranks,
          "` installs Open MPI and builds again (Debian's libopenmpi-dev and openmpi-bin), or set "
          "RANKS to 1"));
}

std::unique_ptr<Transport> connect_by_mpi(std::int64_t ranks) {
  // Open MPI's own parts look for its names.
  const auto connect = reinterpret_cast<Transport* (*)()>(
      load_from_module(mpi_module(ranks), "kablate_mpi_transport", str("RANKS = ", ranks)));
  std::unique_ptr<Transport> transport(connect());
  if (transport->size() != ranks)
    throw UserError(str("RANKS = ", ranks, ": ", transport->size(),
                        " were started; is the mpirun on PATH of the MPI that the program was built with?"));
  return transport;
}

}  // namespace kablate
