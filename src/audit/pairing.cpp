// A difference between two arms is one only if they start from the same values and see the same samples.
#include <ATen/ATen.h>

#include "audit/gates.h"
#include "base/text.h"

namespace kablate {
namespace {

// "" or the first parameter that both have and that starts differently. Counts those compared.
std::string unequal_start(const Config& step, const Config& baseline, const Subject& subject,
                          std::size_t& compared) {
  for (const std::uint64_t seed : {1, 2}) {
    const auto ours = subject.initial_values(step, seed), theirs = subject.initial_values(baseline, seed);
    const auto others = theirs.by_name();
    for (std::size_t i = 0; i < ours.specs().size(); ++i) {
      const auto& spec = ours.specs()[i];
      const auto same = [&](const Parameter& p) {
        return p.name == spec.name && p.shape == spec.shape && p.deviation == spec.deviation;
      };
      if (std::none_of(theirs.specs().begin(), theirs.specs().end(), same)) continue;
      ++compared;
      if (!at::equal(ours.tensors()[i], others.at(spec.name)))
        return str(spec.name, " starts from other values than in the baseline (seed ", seed, ")");
    }
  }
  return "";
}

// Steps that change context, batch or data seed ask for other samples.
bool same_samples_asked(const Config& a, const Config& b) {
  return a.gpt.context == b.gpt.context && a.global_batch() == b.global_batch() && a.data.seed == b.data.seed;
}

}  // namespace

std::optional<Finding> pairing(const Config& step, const Config& baseline, const Config& step_asked,
                               const Config& baseline_asked, const Subject& subject) {
  std::size_t compared = 0;
  if (const auto what = unequal_start(step, baseline, subject, compared); !what.empty())
    return Finding{false, what};
  std::string samples = "; its samples are others by configuration";
  if (same_samples_asked(step_asked, baseline_asked)) {
    constexpr std::int64_t kSamples = 64;
    const std::int64_t num_tokens = 1000 * step_asked.gpt.context;
    for (const std::int64_t seed : {1, 2})
      if (subject.sample_starts(step_asked, seed, num_tokens, kSamples) !=
          subject.sample_starts(baseline_asked, seed, num_tokens, kSamples))
        return Finding{false, str("trains on other samples than the baseline (seed ", seed, ")")};
    samples = " and the same samples";
  }
  return Finding{true, str(compared / 2,
                           " tensors of parameters shared with the baseline, from the same bits", samples)};
}

std::optional<Finding> dead_twin(const Config& twin, const Config& baseline, const Subject& subject) {
  const Tensor tokens = random_tokens(twin, 2, twin.gpt.context, 12),
               targets = random_tokens(twin, 2, twin.gpt.context, 13);
  const auto evaluated = [&](const Config& config) {
    return run_model(config, random_parameters(subject.parameters(config), 14), tokens, targets, subject);
  };
  const Evaluated ours = evaluated(twin), plain = evaluated(baseline);
  if (!at::equal(ours.logits_BTV, plain.logits_BTV))
    return Finding{false, "its mixing weights are not all 0: the logits are not the baseline's"};
  for (const auto& [name, gradient] : plain.gradients) {
    const auto found = ours.gradients.find(name);
    if (found == ours.gradients.end() || !found->second.defined() || !at::equal(found->second, gradient))
      return Finding{false, "the gradient of " + name + " is not the baseline's"};
  }
  return Finding{true, "logits and gradients are the baseline's to the bit"};
}

}  // namespace kablate
