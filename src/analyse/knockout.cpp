#include "analyse/knockout.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/text.h"
#include "config/mechanism.h"
#include "data/sample_order.h"
#include "model/gpt.h"
#include "shape/model_shape.h"
#include "stats/verdict.h"
#include "train/evaluator.h"

namespace kablate {
namespace {

constexpr const char *kEnrich = "recip attn-to-mlp", *kContext = "recip mlp-to-attn", *kAll = "all";

struct Variant {
  Config config;
  ParameterSet parameters;
};

// A coupler whose directions share a map becomes one with a map each that holds the same numbers.
Variant untied(const Variant& model) {
  Variant result{model.config, model.parameters};
  result.config.coupler.tying = Tying::kUntied;
  result.config.coupler.bottleneck = 0;
  result.parameters =
      ParameterSet(model_parameters(result.config))
          .to(model.parameters.tensors()[0].device(), model.parameters.tensors()[0].scalar_type());
  const auto given = model.parameters.by_name();
  for (const auto& [name, tensor] : result.parameters.by_name()) {
    if (const auto same = given.find(name); same != given.end()) {
      tensor.copy_(same->second);
      continue;
    }
    const std::string coupler = name.substr(0, name.find("coupler.")) + "coupler.";
    const Tensor& W_FL = given.at(coupler + "W");
    tensor.copy_(name == coupler + "attn_to_mlp.weight" ? W_FL : W_FL.t());
  }
  return result;
}

// Both directions are linear in the map that ends them.
Variant without_direction(const Variant& model, const std::string& direction) {
  Variant result =
      model.config.coupler.tying == Tying::kTiedTranspose
          ? untied(model)
          : Variant{model.config, model.parameters.to(model.parameters.tensors()[0].device(),
                                                      model.parameters.tensors()[0].scalar_type())};
  const std::string map = direction == kEnrich ? "attn_to_mlp" : "mlp_to_attn";
  for (const auto& [name, tensor] : result.parameters.by_name())
    if (name.find("coupler.") != std::string::npos && name.find(map) != std::string::npos) tensor.zero_();
  return result;
}

Variant changed(const Variant& model, const std::string& mechanism, double scale) {
  if (mechanism == kEnrich || mechanism == kContext) return without_direction(model, mechanism);
  Variant result = model;
  for (const auto& known : mechanisms())
    if (mechanism == kAll || mechanism == known.name) known.weight(result.config) *= scale;
  return result;
}

Means evaluate_windows(const Variant& model, const Dataset& data, c10::Device device,
                       const std::function<void()>& between) {
  const Config& config = model.config;
  const auto numbers =
      evaluation_windows(data.num_windows(Split::kValidation, config.gpt.context), config.train.eval_samples);
  return mean_over_windows(
      Gpt(config, model.parameters), *make_objective(config, data.vocabulary()), data, Split::kValidation,
      numbers, config.train.batch_size, device, [&](const Batch&) { between(); }, /*by_sequence=*/true);
}

// ", but hardly": how much a change is, beside what a seed changes, or beside the loss where that is not
// known.
std::string size_text(double size, double loss, std::optional<double> noise) {
  constexpr double kHardly = 0.1, kLargely = 1, kPartOfLoss = 0.001;
  if (!noise || *noise <= 0) return size < kPartOfLoss * loss ? ", but hardly" : "";
  if (size < kHardly * *noise) return ", but hardly: far less than a seed changes";
  return size < kLargely * *noise ? ", by less than a seed changes" : ", by more than a seed changes";
}

}  // namespace

std::vector<std::string> knockout_mechanisms(const Config& config) {
  std::vector<std::string> names;
  for (const auto* mechanism : mechanisms_on(config)) names.emplace_back(mechanism->name);
  const bool several = names.size() > 1;
  if (find_mechanism("recip")->on(config) && config.hands_context()) {
    names.emplace_back(kEnrich);
    names.emplace_back(kContext);
  }
  if (several) names.emplace_back(kAll);
  return names;
}

KnockoutStudy knock_out(const Config& config, const ParameterSet& parameters, const Dataset& data,
                        c10::Device device, const std::vector<double>& scales,
                        const std::function<void()>& between) {
  const at::NoGradGuard no_grad;
  const Variant trained{config, parameters};
  const Means as_trained = evaluate_windows(trained, data, device, between);
  KnockoutStudy study{as_trained.loss, as_trained.by_sequence.size(), {}};
  for (const auto& mechanism : knockout_mechanisms(config)) {
    const bool only_off = mechanism == kEnrich || mechanism == kContext || mechanism == kAll;
    for (const double scale : only_off ? std::vector<double>{0} : scales) {
      if (scale == 1) continue;
      const Means found = evaluate_windows(changed(trained, mechanism, scale), data, device, between);
      study.rows.push_back({mechanism,
                            scale,
                            found.loss,
                            paired_difference(found.by_sequence, as_trained.by_sequence),
                            {},
                            {}});
    }
  }
  adjust(study.rows);
  return study;
}

void adjust(std::vector<Knockout>& rows) {
  std::vector<double> p;
  for (const auto& row : rows)
    if (row.change.p) p.push_back(*row.change.p);
  const auto tested = holm(p, rows.size(), kAlpha);
  std::size_t next = 0;
  for (auto& row : rows) {
    if (!row.change.p) continue;
    row.holm = tested[next++];
    row.range = interval_of(row.change, 1 - row.holm->level);
  }
}

std::string knockout_verdict(const Knockout& off, double trained_loss, std::optional<double> noise) {
  const std::string name = off.mechanism == kAll ? "the mechanisms together" : off.mechanism;
  if (!off.holm) return str(name, ": one window is too few to say");
  if (off.change.mean == 0 && *off.change.sd == 0)
    return str(name, ": not used; without it no window's loss changes");
  if (!off.holm->rejected)
    return str(name,
               ": no sign that it is used; without it the loss changes by less than the windows tell apart");
  const double size = std::abs(off.change.mean);
  const std::string by = str(size_text(size, trained_loss, noise), off.change.mean > 0 ? "" : ", to no good",
                             "; without it the loss ", off.change.mean > 0 ? "rises" : "falls", " by ",
                             fixed(size, 4), " nats (", fixed(100 * size / trained_loss, 2), " %");
  return str(name, ": used", by,
             noise && *noise > 0 ? str(", ", fixed(size / *noise, 2), " of the sd between seeds)") : ")");
}

}  // namespace kablate
