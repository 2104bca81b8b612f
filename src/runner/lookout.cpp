#include "runner/lookout.h"

#include "measure/machine.h"

namespace kablate {

bool Lookout::due(const TrialFolder& folder, Clock::time_point now) const {
  const auto found = next_.find(folder.path().string());
  return found == next_.end() || now >= found->second;
}

bool Lookout::held(const TrialFolder& folder, const std::string& host, Clock::time_point now) {
  const auto next = now + (host == host_name() ? kOwnMachine : kAnotherMachine);
  return next_.insert_or_assign(folder.path().string(), next).second;
}

}  // namespace kablate
