// libkablate_mpi.so: messages carried by MPI. A library of its own, which the program loads where RANKS asks
// for it, so that it is built and runs without MPI elsewhere (mpi_transport.h).
#define OMPI_SKIP_MPICXX 1  // the C++ bindings that MPI dropped in version 3
#include <mpi.h>

#include <string>

#include "base/error.h"
#include "distributed/transport.h"

namespace kablate {
namespace {

void check(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw WorkError(std::string("MPI: ") + what + " failed (" + text + ")");
}

class MpiMessage final : public Transport::Message {
 public:
  explicit MpiMessage(MPI_Request request) : request_(request) {}
  bool done() override {
    int flag = 0;
    check(MPI_Test(&request_, &flag, MPI_STATUS_IGNORE), "MPI_Test");
    return flag != 0;
  }

 private:
  MPI_Request request_;
};

class MpiTransport final : public Transport {
 public:
  MpiTransport() {
    int given = 0, rank = 0, size = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &given), "MPI_Init_thread");
    if (given < MPI_THREAD_FUNNELED)
      throw WorkError("MPI: it was built without threads (MPI_THREAD_FUNNELED)");
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size");
    rank_ = rank, size_ = size;
  }
  std::int64_t rank() const override { return rank_; }
  std::int64_t size() const override { return size_; }

  MessagePtr send(std::int64_t to, Channel channel, const void* data, std::size_t bytes) override {
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Isend(data, static_cast<int>(bytes), MPI_BYTE, static_cast<int>(to), static_cast<int>(channel),
                    MPI_COMM_WORLD, &request),
          "MPI_Isend");
    return std::make_unique<MpiMessage>(request);
  }
  MessagePtr receive(std::int64_t from, Channel channel, void* data, std::size_t bytes) override {
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Irecv(data, static_cast<int>(bytes), MPI_BYTE, static_cast<int>(from),
                    static_cast<int>(channel), MPI_COMM_WORLD, &request),
          "MPI_Irecv");
    return std::make_unique<MpiMessage>(request);
  }
  void finish() override { check(MPI_Finalize(), "MPI_Finalize"); }

 private:
  std::int64_t rank_ = 0, size_ = 1;
};

}  // namespace
}  // namespace kablate

// What mpi_transport.cpp looks for. Called once in a process, on the thread that calls all else.
extern "C" kablate::Transport* kablate_mpi_transport() { return new kablate::MpiTransport; }
