// A trial folder belongs to one process at a time (design, decision 6), without locks that a network file
// system breaks. A claim is a file claim.N that is made whole by link(2), so exactly one process gets each N;
// its owner renews its time stamp. The live claim owns the folder. A claim whose process is gone is stale,
// and so is one from another machine that was not renewed for kStaleSeconds by the file system's own clock;
// who then makes claim.N+1 takes over. After making it, a process looks again: if another live claim is
// there, it withdraws.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "record/layout.h"

namespace kablate {

// Who stands in a claim.
struct ClaimOwner {
  std::string host, boot_id, pid_namespace;
  std::int64_t pid = 0;
  std::int64_t start_time = 0;  // of the process, in clock ticks since boot: pids come round again
  std::string token;            // unique to the claim
};

// "process 123 on host"; of a damaged claim that it can't be told.
std::string describe(const ClaimOwner& owner);

class Claim {
 public:
  static constexpr double kStaleSeconds = 120;
  static constexpr double kRenewSeconds = 20;

  // Claims the folder, making it if need be. Null if a live process has it: `holder`, where given, then says
  // who ("process 123 on host"). Look again whether the trial is done after claiming it: its last owner may
  // just have finished. A process claims a folder once. Throws WorkError if the folder can't be written.
  static std::unique_ptr<Claim> acquire(const TrialFolder& folder, std::string* holder = nullptr);

  // Gives the folder back.
  ~Claim();
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

  // Whether this claim still stands. False after the machine slept for so long that another took over; the
  // process must then write nothing more to the folder. To be asked before each checkpoint.
  bool held() const;

 private:
  Claim(std::filesystem::path path, std::string token);
  void renew_until_released();

  std::filesystem::path path_;
  std::string token_;
  std::mutex mutex_;
  std::condition_variable released_;
  bool release_ = false;
  std::thread renewal_;
};

// Whether claims stand there, and none of them is alive: a process died that had not given the folder back.
bool abandoned(const TrialFolder& folder);

// The live owner of a folder, if it has one: an empty ClaimOwner where the claim is damaged and not stale
// yet. Makes a short-lived file there to ask the file system's clock
// only where a claim of another machine is to be judged.
std::optional<ClaimOwner> claim_owner(const TrialFolder& folder);

}  // namespace kablate
