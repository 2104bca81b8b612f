// When to look again at a trial that another run is at. To judge a claim of another machine takes a file made
// and removed, on a file system that may be slow.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "record/layout.h"

namespace kablate {

class Lookout {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kOwnMachine{500}, kAnotherMachine{5000};

  // Whether the folder is to be looked at: always before held() was called for it.
  bool due(const TrialFolder& folder, Clock::time_point now = Clock::now()) const;

  // It was found to be held by a process of `host`. True the first time, when it is to be said.
  bool held(const TrialFolder& folder, const std::string& host, Clock::time_point now = Clock::now());

 private:
  std::map<std::string, Clock::time_point> next_;  // by the folder's path
};

}  // namespace kablate
