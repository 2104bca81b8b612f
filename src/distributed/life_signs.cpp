#include "distributed/life_signs.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace kablate {
namespace {

constexpr char kHere = 'h', kGoodbye = 'g';

}  // namespace

LifeSigns::LifeSigns(Transport& transport, std::vector<std::string> hosts, LifeLimits limits)
    : transport_(transport), hosts_(std::move(hosts)), limits_(limits) {
  const bool first = transport.rank() == 0;
  peers_.resize(first ? static_cast<std::size_t>(transport.size() - 1) : 1);
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    auto& peer = peers_[i];  // messages write into it: the list stays as long as it is
    peer.rank = first ? static_cast<std::int64_t>(i) + 1 : 0;
    peer.last_said = -limits.between_seconds;
    peer.hearing = transport_.receive(peer.rank, Channel::kLife, &peer.heard, 1);
  }
}

void LifeSigns::look() {
  const double now = watch_.seconds();
  const double stood_still = now - last_look_;
  last_look_ = now;
  if (stood_still > 2 * limits_.between_seconds)
    for (auto& peer : peers_) peer.last_heard += stood_still;
  for (auto& peer : peers_) look_at(peer, now);
}

void LifeSigns::look_at(Peer& peer, double now) {
  if (peer.hearing && peer.hearing->done()) {
    peer.last_heard = std::max(peer.last_heard, now);
    peer.gone = peer.heard == kGoodbye;
    peer.hearing = peer.gone ? nullptr : transport_.receive(peer.rank, Channel::kLife, &peer.heard, 1);
  }
  if (peer.saying && peer.saying->done()) peer.saying = nullptr;
  if (!peer.saying && !peer.told && (leaving_ || now - peer.last_said >= limits_.between_seconds)) {
    peer.said = leaving_ ? kGoodbye : kHere, peer.told = leaving_, peer.last_said = now;
    peer.saying = transport_.send(peer.rank, Channel::kLife, &peer.said, 1);
  }
  if (!peer.gone && now - peer.last_heard > limits_.silence_seconds)
    throw RankLost(str("rank ", peer.rank, " of ", transport_.size(), " (on ",
                       hosts_[static_cast<std::size_t>(peer.rank)], ") gave no sign of life for ",
                       fixed(limits_.silence_seconds, 0),
                       " s: the trial ends here; the same command goes on from its latest checkpoint"));
}

bool LifeSigns::all_said_goodbye() const {
  return std::all_of(peers_.begin(), peers_.end(),
                     [](const Peer& peer) { return peer.gone && peer.told && !peer.saying; });
}

}  // namespace kablate
