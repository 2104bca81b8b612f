// Messages carried by MPI, from the library that the build makes where MPI is installed (mpi/module.cpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "distributed/transport.h"

namespace kablate {

// Where that library lies: beside the program, or where `make install` puts it. Throws UserError saying what
// to install if it is in neither.
std::filesystem::path mpi_module(std::int64_t ranks);

// This process among those that were started together (mpirun, srun). MPI is set up on the calling thread,
// which all is called on from then on. Throws UserError if `ranks` are not what was started.
std::unique_ptr<Transport> connect_by_mpi(std::int64_t ranks);

}  // namespace kablate
