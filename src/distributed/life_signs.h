// Whether the ranks are still there. A killed process, a machine that went down and a cable that was pulled
// look alike: no sign comes any more. Rank 0 hears all others, they hear rank 0.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/clock.h"
#include "distributed/transport.h"

namespace kablate {

// A rank gave no sign of life for too long.
class RankLost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct LifeLimits {
  double between_seconds = 1;   // signs
  double silence_seconds = 12;  // without one, after which a rank counts as lost: others hear of rank 0's end
                                // that much later, so that twice of it passes at the most
};

class LifeSigns {
 public:
  // `hosts`: where each rank runs, for messages. `transport` must outlive the object.
  LifeSigns(Transport& transport, std::vector<std::string> hosts, LifeLimits limits);

  // Sends and takes in what is due. To be called several times a second; where the process itself stood still
  // nobody is blamed for that time. Throws RankLost naming the rank.
  void look();

  // Tells the others that this rank needs none any more.
  void say_goodbye() { leaving_ = true; }
  bool all_said_goodbye() const;  // and this one's own is sent

 private:
  struct Peer {
    std::int64_t rank = 0;
    char heard = 0, said = 0;
    Transport::MessagePtr hearing, saying;
    double last_heard = 0, last_said = 0;  // by watch_
    bool gone = false, told = false;       // it said goodbye; it was told ours
  };
  void look_at(Peer& peer, double now);

  Transport& transport_;
  std::vector<std::string> hosts_;
  LifeLimits limits_;
  Stopwatch watch_;
  double last_look_ = 0;
  bool leaving_ = false;
  std::vector<Peer> peers_;
};

}  // namespace kablate
