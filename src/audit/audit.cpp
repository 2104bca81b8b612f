#include "audit/audit.h"

#include <algorithm>
#include <iterator>

#include <c10/util/Exception.h>

#include "audit/cut.h"
#include "audit/gates.h"
#include "base/text.h"
#include "model/loss.h"

namespace kablate {

std::string type_name(at::ScalarType type) {
  return type == at::kDouble ? "float64"
                             : dtype_name(type == at::kFloat ? DType::kFloat32 : DType::kBFloat16);
}

at::ScalarType trained_type(const Config& config) {
  return config.run.dtype == DType::kBFloat16 ? at::kBFloat16 : at::kFloat;
}

Evaluated run_model(const Config& config, const ParameterSet& parameters, const Tensor& given_BT,
                    const Tensor& targets_BT, const Subject& subject) {
  Evaluated result;
  const auto device = parameters.tensors().front().device();
  const Tensor tokens_BT = given_BT.to(device);
  const Tensor logits = subject.logits(config, parameters, tokens_BT, Dropout());
  Tensor loss = cross_entropy(logits, targets_BT.to(device));
  if (config.objective.critic) loss = loss + subject.critic(config, parameters, tokens_BT).mean();
  loss.backward();
  result.logits_BTV = logits.detach().cpu();
  for (const auto& [name, tensor] : parameters.by_name())
    result.gradients[name] = tensor.grad().defined() ? tensor.grad().cpu() : Tensor();
  return result;
}

std::vector<GateCheck> audit_step(const AuditedStep& step, const AuditedStep& baseline,
                                  const Subject& subject) {
  const auto small = cut({step.config, baseline.config});
  const Config &config = small[0], &base = small[1];
  std::vector<GateCheck> checks;
  // A gate that ends in an error has found one: an arm must not cost the others their verdicts.
  const auto add = [&](const char* name, const auto& gate) {
    std::optional<Finding> finding;
    try {
      finding = gate();
    } catch (const c10::Error& fault) {
      finding = Finding{false, "ends in an error: " + split(fault.what_without_backtrace(), '\n').front()};
    } catch (const std::exception& fault) {
      finding = Finding{false, str("ends in an error: ", fault.what())};
    }
    if (finding) checks.push_back({step.number, name, finding->passed, finding->detail});
  };
  add("off_identity", [&] { return off_identity(config, subject); });
  if (!step.dead_twin) {
    add("liveness", [&] { return liveness(config, subject); });
    add("dead_parameters", [&] { return dead_parameters(config, subject); });
  }
  const Config whole = cut({step.config}, Cut::kLong)[0], deep = cut({step.config}, Cut::kDeep)[0];
  add("causality", [&] { return causality(config, whole, subject); });
  add("direction", [&] { return direction(config, subject); });
  add("padding", [&] { return padding(config, whole, subject); });
  add("bottleneck", [&] { return bottleneck(config, subject); });
  add("objective", [&] { return objective(config, subject); });
  add("labels", [&] { return labels(step.config); });
  add("consistency", [&] { return consistency(config, subject); });
  add("positions", [&] { return positions(config, subject); });
  add("shift_invariance", [&] { return shift_invariance(config, subject); });
  add("sharing", [&] { return sharing(config, subject); });
  add("experts", [&] { return experts(config, subject); });
  add("adapters", [&] { return adapters(config, subject); });
  add("freezing", [&] { return freezing(config, subject); });
  add("gradients", [&] { return gradients(config, subject); });
  if (!step.dead_twin) add("every_layer", [&] { return every_layer(deep, subject); });
  add("arithmetic", [&] { return arithmetic(whole, subject); });
  add("initial_values", [&] { return initial_values(config, subject); });
  add("decode_parity", [&] { return decode_parity(config, subject); });
  add("cache_size", [&] { return cache_size(config, subject); });
  add("samples", [&] { return samples(config, subject); });
  add("evaluation", [&] { return evaluation(config, subject); });
  add("optimizer", [&] { return optimizer(config, subject); });
  if (!step.dead_twin) add("updates", [&] { return updates(config, subject); });
  add("pruning", [&] { return pruning(config, subject); });
  add("twin_training", [&] { return twin_training(config, subject); });
  if (step.number == baseline.number) return checks;
  if (!step.dead_twin) add("symbols", [&] { return symbols_act(config, base, subject); });
  add("pairing", [&] { return pairing(config, base, step.config, baseline.config, subject); });
  if (step.dead_twin) add("dead_twin", [&] { return dead_twin(config, base, subject); });
  return checks;
}

std::vector<GateCheck> audit_plan(const Plan& plan, const Subject& subject) {
  const auto audited = [](const Step& step) {
    return AuditedStep{step.number, step.config, step.control == Control::kDeadTwin};
  };
  const AuditedStep baseline{plan.baseline, plan.baseline_config, false};
  std::vector<GateCheck> all;
  for (const auto& step : plan.steps) {
    std::vector<GateCheck> checks;
    if (step.rerun_of && plan.find_step(*step.rerun_of) != nullptr) {
      std::copy_if(all.begin(), all.end(), std::back_inserter(checks),
                   [&](const GateCheck& check) { return check.step == *step.rerun_of; });
      for (auto& check : checks) check.step = step.number;
    } else {
      checks = audit_step(audited(step), baseline, subject);
    }
    all.insert(all.end(), checks.begin(), checks.end());
  }
  return all;
}

std::string failed_gates(const std::vector<GateCheck>& checks, std::int64_t step) {
  std::vector<std::string> failed;
  for (const auto& check : checks)
    if (check.step == step && !check.passed) failed.push_back(str(check.check, " (", check.detail, ")"));
  return failed.empty() ? "" : "gate failed: " + join(failed, "; ");
}

}  // namespace kablate
