// What a trained model loses when a mechanism is switched off or its mixing weight scaled: whether the model
// uses it at all. Nothing is trained; the weights stay as they are.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "model/parameters.h"
#include "stats/holm.h"
#include "stats/paired.h"

namespace kablate {

struct Config;

// The validation loss with one mechanism's mixing weight times `scale`.
struct Knockout {
  std::string mechanism;  // "gate", "cross", "recip", "recip attn-to-mlp", "recip mlp-to-attn", "ra", "all"
  double scale = 0;       // 0 is off
  double val_loss = 0;
  Difference change;  // of the loss of each evaluation window against the trained model's
  // Of the study's rows together (Holm), with two windows or more; `range` is the interval at that level.
  std::optional<HolmResult> holm;
  std::optional<Interval> range;
};

// Adjusts the rows of a study for each other.
void adjust(std::vector<Knockout>& rows);

struct KnockoutStudy {
  double val_loss = 0;  // of the trained model
  std::size_t windows = 0;
  std::vector<Knockout> rows;  // by mechanism, then by scale; none where the model has no mechanism
};

// The mechanisms that can be knocked out, by the names above: each that is on, both directions of the latent
// coupler apart where both act, and all together where there are several.
std::vector<std::string> knockout_mechanisms(const Config& config);

// Evaluates on the trial's own validation windows, in its DTYPE and batches, so that the trained model's loss
// is that of its last evaluation to the bit. Each mechanism once a scale; the coupler's directions, and all
// together, at 0 alone. A scale of 1 is the trained model and left out. `between` is called before each
// batch; it may throw to stop.
KnockoutStudy knock_out(const Config& config, const ParameterSet& parameters, const Dataset& data,
                        c10::Device device, const std::vector<double>& scales,
                        const std::function<void()>& between);

// Whether the model uses a mechanism, in words, from its row at scale 0, adjusted: what its loss loses, in
// percent of the trained model's and, where `noise` has it, against the loss's sd between seeds. One model's
// windows say nothing of how another seed would come out.
std::string knockout_verdict(const Knockout& off, double trained_loss, std::optional<double> noise);

}  // namespace kablate
