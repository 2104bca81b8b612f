// How a step's routers share its tokens among the experts.
#include <algorithm>

#include "base/text.h"
#include "report/pairing.h"
#include "report/parts.h"

namespace kablate {
namespace {

struct Shares {
  double largest = 0, smallest = 0;  // means over seeds of each seed's own
  std::size_t seeds = 0;
  std::size_t experts = 0;
};

// Of a layer that has experts; trials whose summary says nothing of it do not count.
Shares shares_of(const std::vector<const TrialRecord*>& trials, std::size_t layer) {
  Shares shares;
  for (const auto* trial : trials) {
    const auto& loads = trial->summary->expert_loads;
    if (layer >= loads.size() || loads[layer].empty()) continue;
    const auto [least, most] = std::minmax_element(loads[layer].begin(), loads[layer].end());
    shares.largest += *most, shares.smallest += *least;
    shares.experts = loads[layer].size();
    ++shares.seeds;
  }
  const auto seeds = static_cast<double>(std::max<std::size_t>(1, shares.seeds));
  shares.largest /= seeds, shares.smallest /= seeds;
  return shares;
}

std::size_t most_layers(const std::vector<const TrialRecord*>& trials) {
  std::size_t layers = 0;
  for (const auto* trial : trials) layers = std::max(layers, trial->summary->expert_loads.size());
  return layers;
}

}  // namespace

std::vector<std::string> expert_notes(const ExperimentRecord& experiment) {
  std::vector<std::string> notes;
  for (const auto& step : experiment.plan.steps) {
    const auto trials = finished_trials(experiment, step.number);
    std::vector<std::string> layers;
    Shares any;
    for (std::size_t layer = 0; layer < most_layers(trials); ++layer) {
      const Shares shares = shares_of(trials, layer);
      if (shares.seeds == 0) continue;
      any = shares;
      layers.push_back(str("layer ", layer, " ", fixed(shares.largest, 2), " / ", fixed(shares.smallest, 2)));
    }
    if (layers.empty()) continue;
    notes.push_back(
        str("Step ", step.number, " (", step.name, "): load of the ", any.experts,
            " experts after the last update, the largest and the smallest share of a layer's choices "
            "(even: ",
            fixed(1 / static_cast<double>(any.experts), 2), "), mean over ", any.seeds,
            any.seeds == 1 ? " seed: " : " seeds: ", join(layers, ", "), "."));
  }
  return notes;
}

}  // namespace kablate
