// Many hypotheses at once: Holm's step-down procedure (1979) keeps the chance of one false rejection or more
// within alpha, whatever their dependence.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace kablate {

struct HolmResult {
  double adjusted_p = 1;  // rejected where it is <= alpha
  // What it was tested at. With r rejected of m: the j-th smallest p (j from 0) at alpha/(m-j) if it is
  // rejected; the others at alpha/(m-r), where the procedure stopped. 1 - level is the confidence of the
  // interval that goes with it: those of the unrejected hold together (Guilbaud 2008).
  double level = 0;
  bool rejected = false;
};

// A result for each p, in their order. `family` >= p.size() counts the hypotheses planned: those without a p
// yet stand for p = 1, so that a family does not get stricter as its trials finish.
std::vector<HolmResult> holm(std::span<const double> p, std::size_t family, double alpha);

}  // namespace kablate
