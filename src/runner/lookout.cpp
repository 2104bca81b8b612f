#include "runner/lookout.h"

#include "measure/machine.h"

namespace kablate {

bool Lookout::due(const TrialFolder& folder, Clock::time_point now) const {
  const auto found = next_.find(folder.path().string());
  return found == next_.end() || now >= found->second;
}

void Lookout::held(const TrialFolder& folder, const std::string& host, Clock::time_point now) {
  next_[folder.path().string()] = now + (host == host_name() ? kOwnMachine : kAnotherMachine);
}

}  // namespace kablate
