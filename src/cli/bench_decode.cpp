#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "generate/decode_bench.h"
#include "measure/cores.h"
#include "measure/machine.h"
#include "model/kernel/choice.h"
#include "plan/plan.h"
#include "report/render.h"
#include "report/table.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

struct BenchCommand {
  PlanOptions options;
  std::string contexts = "1024,4096";
  std::int64_t batch = 1;
  bool json = false;
};

struct StepCost {
  const Step* step;
  std::string reason;  // why it can't be decoded; "" if it can
  std::vector<DecodeCost> costs;
};

// The step's model with room for the contexts, whatever its GPT2_BLOCK_SIZE.
StepCost time_step(const Step& step, const std::vector<std::int64_t>& contexts, std::int64_t batch) {
  Config config = step.config;
  config.gpt.context = contexts.back() + DecodeBench::kSteps;
  StepCost result{&step, undecodable_reason(config), {}};
  if (!result.reason.empty()) return result;
  const c10::Device device = resolve_device(config.run.device);
  const auto parameters =
      ParameterSet::initialized(model_parameters(config), /*seed=*/1).to(device, at::kFloat);
  const bool narrow = config.run.dtype == DType::kBFloat16;
  const Gpt model(config, parameters.with_maps_in(narrow ? at::kBFloat16 : at::kFloat));
  DecodeBench bench(model, batch, device);
  for (const auto context : contexts) {
    result.costs.push_back(bench.time(context, throw_if_stop_requested));
    log_info(str("step ", step.number, " ", step.name, ", context ", grouped(context), ": filled in ",
                 human_duration(result.costs.back().fill_seconds)));
  }
  return result;
}

Json costs_json(const std::vector<StepCost>& steps, std::int64_t batch, std::int64_t threads) {
  Json rows = Json::array();
  for (const auto& [step, reason, costs] : steps) {
    if (!reason.empty()) rows.push_back({{"step", step->number}, {"name", step->name}, {"reason", reason}});
    for (const auto& cost : costs)
      rows.push_back({{"step", step->number},
                      {"name", step->name},
                      {"context", cost.context},
                      {"ms_per_token", cost.ms_per_token},
                      {"tokens_per_s", cost.tokens_per_s},
                      {"cache_bytes", cost.cache_bytes},
                      {"fill_seconds", cost.fill_seconds}});
  }
  return {{"batch", batch}, {"threads", threads}, {"rows", rows}};
}

void print_costs(const std::vector<StepCost>& steps, std::int64_t batch, std::int64_t threads) {
  const auto width = output_width();
  TextTable table{{"step", "name", "context", "ms/token", "tokens/s", "cache", "cache/token"},
                  {false, false, true, true, true, true, true},
                  {}};
  std::string notes;
  for (const auto& [step, reason, costs] : steps) {
    if (!reason.empty()) notes += wrapped(str("step ", step->number, " ", step->name, ": ", reason), width);
    for (const auto& cost : costs)
      table.rows.push_back({std::to_string(step->number), step->name, grouped(cost.context),
                            fixed(cost.ms_per_token, 3), fixed(cost.tokens_per_s, 1),
                            human_bytes(cost.cache_bytes),
                            human_bytes(cost.cache_bytes / static_cast<double>(cost.context * batch))});
  }
  std::printf("%s", aligned(table, width).c_str());
  std::printf("\n%s%s",
              wrapped(str(batch, batch == 1 ? " sequence, " : " sequences at once, ", threads,
                          threads == 1 ? " thread" : " threads", "; the median of ", DecodeBench::kTimed,
                          " steps after a cache that holds the context; weights as initialised"),
                      width)
                  .c_str(),
              notes.c_str());
}

int bench_decoding(const BenchCommand& command) {
  auto contexts = parse_list(command.contexts, "--contexts", 1);
  std::sort(contexts.begin(), contexts.end());
  const Plan plan = command.options.plan();
  const auto& run = plan.steps.front().config.run;  // no step changes it
  const std::int64_t threads = run.threads > 0 ? run.threads : available_cores();
  catch_stop_signals();
  make_deterministic(threads);
  use_kernels(run.kernels, resolve_device(run.device));
  std::vector<StepCost> steps;
  for (const auto& step : plan.steps)
    if (!step.rerun_of) steps.push_back(time_step(step, contexts, command.batch));
  if (command.json)
    std::printf("%s\n", costs_json(steps, command.batch, threads).dump(2).c_str());
  else
    print_costs(steps, command.batch, threads);
  return kExitDone;
}

}  // namespace

void add_bench_decode_command(CLI::App& app, Action& action) {
  const auto command = std::make_shared<BenchCommand>();
  auto* parser = app.add_subcommand("bench-decode", "Time decoding from the cache for each step of the plan");
  command->options.configuration.add_to(*parser);
  parser
      ->add_option("--steps", command->options.steps,
                   "Steps of the plan, such as 0,2 or 0-3; all if not given")
      ->type_name("LIST")
      ->check(not_empty());
  parser->add_option("--contexts", command->contexts, "How many tokens the cache holds")
      ->capture_default_str()
      ->type_name("LIST")
      ->check(not_empty());
  parser->add_option("--batch", command->batch, "Sequences at once")
      ->capture_default_str()
      ->type_name("N")
      ->check(whole_number(1));
  parser->add_flag("--json", command->json, "Print JSON");
  parser->callback([command, &action] { action = [command] { return bench_decoding(*command); }; });
}

}  // namespace kablate
