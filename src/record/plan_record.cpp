#include "record/plan_record.h"

#include <algorithm>

#include "base/text.h"
#include "config/config.h"
#include "config/mechanism.h"
#include "record/optional_json.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

std::optional<std::int64_t> value_or_null_at(const Json& json, const char* key) {
  const auto& value = json.at(key);
  return value.is_null() ? std::nullopt : std::optional(value.get<std::int64_t>());
}

// What the report makes room for: no plan has more (plan/plan_file.cpp allows a thousand steps).
constexpr std::int64_t kMostArms = 1'000'000;
constexpr std::size_t kMostFactors = 20;

constexpr const char* kBetterNames[] = {"less", "more"};

Import import_from_json(const Json& json) {
  const auto better = json.at("better").get<std::string>();
  if (better != kBetterNames[0] && better != kBetterNames[1])
    throw std::out_of_range(str("better = \"", better, "\": allowed: less, more"));
  return {json.at("file"), json.at("file_sha256"), better == kBetterNames[1] ? Better::kMore : Better::kLess};
}

void check_plan(const PlanRecord& plan) {
  if (plan.arms < 0 || plan.arms > kMostArms)
    throw std::out_of_range(str("arms = ", plan.arms, ": allowed: 0 to ", kMostArms));
  if (plan.factors.size() > kMostFactors)
    throw std::out_of_range(str(plan.factors.size(), " factors: allowed: at most ", kMostFactors));
  for (const auto& trial : plan.trials)
    if (!parse_trial_folder_name(trial.folder))
      throw std::out_of_range(str("folder = \"", trial.folder, "\": no name of a trial's folder"));
}

}  // namespace

const PlannedStep* PlanRecord::find_step(std::int64_t number) const {
  for (const auto& step : steps)
    if (step.number == number) return &step;
  return nullptr;
}

std::string PlannedStep::role(std::int64_t baseline) const {
  if (rerun_of) return str("rerun of ", *rerun_of);
  if (!control.empty()) return control_of ? str("control of ", *control_of) : std::string("control");
  return number == baseline ? "baseline" : "arm";
}

std::size_t PlanRecord::family() const {
  const auto selected = std::count_if(steps.begin(), steps.end(), [&](const PlannedStep& step) {
    return step.is_arm() && step.number != baseline;
  });
  return static_cast<std::size_t>(std::max<std::int64_t>(selected, arms));
}

PlannedStep describe_step(std::int64_t number, const std::string& name, std::optional<std::int64_t> rerun_of,
                          const Config& config) {
  return {
      .number = number,
      .name = name,
      .rerun_of = rerun_of,
      .control = "",
      .control_of = {},
      .cell = {},
      .after = {},
      .blocked = blocked_reason(config),
      .noncausal = !why_future_is_seen(config).empty() && config.run.allow_noncausal,
      .parameters = parameter_count(config),
      .trained_parameters = trained_parameter_count(config),
      .active_parameters = active_parameter_count(config),
      .nonzero_parameters =
          config.optim.prune.on() ? std::optional(nonzero_parameter_count(config)) : std::nullopt,
      .parameters_by_part = parameters_by_part(config),
      .flops_per_iteration = flops_per_iteration(config),
      .flops_per_iteration_nanogpt = flops_per_iteration_nanogpt(config),
      .decode_cache_bytes_per_token = decode_cache_bytes_per_token(config),
      .decode_cache_bytes_fixed = decode_cache_bytes_fixed(config),
      .peak_tensor_bytes_expected = peak_tensor_bytes(config),
      .unused_symbols = unused_symbols(config),
  };
}

Json to_json(const PlannedStep& step) {
  return {{"step", step.number},
          {"name", step.name},
          {"rerun_of", value_or_null(step.rerun_of)},
          {"control", step.control},
          {"control_of", value_or_null(step.control_of)},
          {"cell", value_or_null(step.cell)},
          {"after", value_or_null(step.after)},
          {"blocked", step.blocked},
          {"noncausal", step.noncausal},
          {"parameters", step.parameters},
          {"trained_parameters", step.trained_parameters},
          {"active_parameters", step.active_parameters},
          {"nonzero_parameters", value_or_null(step.nonzero_parameters)},
          {"parameters_by_part", step.parameters_by_part},
          {"flops_per_iteration", step.flops_per_iteration},
          {"flops_per_iteration_nanogpt", step.flops_per_iteration_nanogpt},
          {"decode_cache_bytes_per_token", step.decode_cache_bytes_per_token},
          {"decode_cache_bytes_fixed", step.decode_cache_bytes_fixed},
          {"peak_tensor_bytes", step.peak_tensor_bytes_expected},
          {"unused", step.unused_symbols}};
}

PlannedStep planned_step_from_json(const Json& json) {
  PlannedStep step;
  json.at("step").get_to(step.number);
  json.at("name").get_to(step.name);
  step.rerun_of = value_or_null_at(json, "rerun_of");
  json.at("control").get_to(step.control);
  step.control_of = value_or_null_at(json, "control_of");
  step.cell = value_or_null_at(json, "cell");
  if (json.contains("after")) step.after = value_or_null_at(json, "after");
  json.at("blocked").get_to(step.blocked);
  json.at("noncausal").get_to(step.noncausal);
  json.at("parameters").get_to(step.parameters);
  step.trained_parameters = json.value("trained_parameters", step.parameters);
  step.active_parameters = json.value("active_parameters", step.parameters);
  if (json.contains("nonzero_parameters"))
    step.nonzero_parameters = value_or_null_at(json, "nonzero_parameters");
  json.at("parameters_by_part").get_to(step.parameters_by_part);
  json.at("flops_per_iteration").get_to(step.flops_per_iteration);
  json.at("flops_per_iteration_nanogpt").get_to(step.flops_per_iteration_nanogpt);
  json.at("decode_cache_bytes_per_token").get_to(step.decode_cache_bytes_per_token);
  json.at("decode_cache_bytes_fixed").get_to(step.decode_cache_bytes_fixed);
  json.at("peak_tensor_bytes").get_to(step.peak_tensor_bytes_expected);
  json.at("unused").get_to(step.unused_symbols);
  return step;
}

Json to_json(const PlanRecord& plan) {
  Json steps = Json::array(), trials = Json::array();
  for (const auto& step : plan.steps) steps.push_back(to_json(step));
  for (const auto& trial : plan.trials)
    trials.push_back({{"step", trial.step}, {"seed", trial.seed}, {"folder", trial.folder}});
  Json json{{"name", plan.name},   {"plan", plan.text},   {"baseline", plan.baseline}, {"arms", plan.arms},
            {"steps", steps},      {"seeds", plan.seeds}, {"factors", plan.factors},   {"trials", trials},
            {"about", plan.about}, {"notes", plan.notes}};
  if (const auto& from = plan.imported)
    json["imported"] = {{"file", from->file},
                        {"file_sha256", from->sha256},
                        {"better", kBetterNames[from->better == Better::kMore]}};
  return json;
}

PlanRecord plan_from_json(const Json& json) {
  PlanRecord plan;
  json.at("name").get_to(plan.name);
  json.at("plan").get_to(plan.text);
  json.at("baseline").get_to(plan.baseline);
  json.at("arms").get_to(plan.arms);
  json.at("about").get_to(plan.about);
  json.at("notes").get_to(plan.notes);
  json.at("factors").get_to(plan.factors);
  json.at("seeds").get_to(plan.seeds);
  for (const auto& step : json.at("steps")) plan.steps.push_back(planned_step_from_json(step));
  for (const auto& trial : json.at("trials"))
    plan.trials.push_back({trial.at("step"), trial.at("seed"), trial.at("folder")});
  if (json.contains("imported")) plan.imported = import_from_json(json.at("imported"));
  check_plan(plan);
  return plan;
}

}  // namespace kablate
