// A seed draws every map for itself: an initialisation that ignores it, or draws two maps alike, makes seeds
// that are no samples.
#include <cmath>

#include <ATen/ATen.h>

#include "audit/gates.h"
#include "base/text.h"

namespace kablate {
namespace {

constexpr std::int64_t kEnough = 16;  // numbers that do not agree by chance

// Of what is uniform in ± bound, bound / √3.
double deviation_of(const Parameter& spec) {
  return spec.bound > 0 ? spec.bound / std::sqrt(3.0) : spec.deviation;
}

bool drawn(const Parameter& spec) { return deviation_of(spec) > 0 && spec.count() >= kEnough; }

// "" or what is wrong with the values of one seed.
std::string fault_of(const ParameterSet& set) {
  for (std::size_t i = 0; i < set.specs().size(); ++i) {
    const Parameter& spec = set.specs()[i];
    const Tensor values = set.tensors()[i].detach().to(at::kDouble).flatten();
    if (!drawn(spec)) {
      if (deviation_of(spec) == 0 && !values.eq(spec.mean).all().item<bool>())
        return str(spec.name, " does not start at ", spec.mean);
      continue;
    }
    if (spec.bound > 0 && (values - spec.mean).abs().max().item<double>() > spec.bound)
      return str(spec.name, " has values further than ", spec.bound, " from ", spec.mean);
    // The square of a normal number has variance 2, that of a uniform one less: six of its standard errors.
    const double n = static_cast<double>(spec.count());
    const double spread =
        (values - spec.mean).square().mean().item<double>() / (deviation_of(spec) * deviation_of(spec));
    if (std::abs(spread - 1) > 6 * std::sqrt(2 / n))
      return str(spec.name, " has ", fixed(std::sqrt(spread), 2), " times the deviation that it should have");
    for (std::size_t j = 0; j < i; ++j)
      if (drawn(set.specs()[j]) && set.specs()[j].shape == spec.shape &&
          at::equal(set.tensors()[j] / deviation_of(set.specs()[j]), set.tensors()[i] / deviation_of(spec)))
        return str(spec.name, " is drawn like ", set.specs()[j].name);
  }
  return "";
}

}  // namespace

std::optional<Finding> initial_values(const Config& step, const Subject& subject) {
  const auto one = subject.initial_values(step, 1), two = subject.initial_values(step, 2);
  for (const auto* set : {&one, &two})
    if (const auto fault = fault_of(*set); !fault.empty()) return Finding{false, fault};
  std::size_t compared = 0;
  for (std::size_t i = 0; i < one.specs().size(); ++i) {
    if (!drawn(one.specs()[i])) continue;
    ++compared;
    if (at::equal(one.tensors()[i], two.tensors()[i]))
      return Finding{false, one.specs()[i].name + " starts alike under two seeds"};
  }
  return Finding{true, str(compared,
                           " tensors are drawn by the seed, no two alike, with the deviations that "
                           "they should have")};
}

}  // namespace kablate
