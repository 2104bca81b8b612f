#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/prepare.h"
#include "cli/sensitivity.h"
#include "measure/machine.h"
#include "plan/noise_plan.h"
#include "record/noise.h"
#include "record/reader.h"
#include "report/render.h"
#include "runner/runner.h"
#include "runner/timing.h"
#include "stats/calibration.h"

namespace kablate {
namespace {

struct NoiseCommand {
  ConfigOptions configuration;
  std::string plan, results = "results";
  std::int64_t fresh = 16, pairs = 2, planted_harm = 0;
};

void check(const NoiseCommand& command) {
  const std::int64_t comparisons = command.fresh / (2 * command.pairs);
  if (comparisons == 0)
    throw UserError(str("--fresh = ", command.fresh, ": one comparison of ", command.pairs,
                        " pairs takes 2 x ", command.pairs,
                        " seeds; give more (FRESH=N after make), or fewer --pairs"));
  if (command.planted_harm > comparisons)
    throw UserError(str("--planted-harm = ", command.planted_harm, ": allowed: at most ", comparisons,
                        ", the comparisons that ", command.fresh,
                        " fresh seeds make with --pairs = ", command.pairs));
}

std::vector<std::int64_t> harmed_seeds(const NoiseCommand& command, const std::vector<std::int64_t>& seeds) {
  std::vector<std::int64_t> harmed;
  const auto pairs = static_cast<std::size_t>(command.pairs);
  for (std::size_t i = 0; i < static_cast<std::size_t>(command.planted_harm); ++i)
    for (std::size_t j = 0; j < pairs; ++j) harmed.push_back(seeds[harm_place(i, j, pairs)]);
  return harmed;
}

RunResult train(Plan& plan, const Config& base, const ExperimentFolder& folder) {
  const c10::Device device = device_of_trials(base);
  const auto data = open_dataset(base, data_folder());
  for (const auto& note : data->notes()) log_info(note);
  make_writable_folder(folder.trials());
  const std::int64_t threads = threads_of_trials(plan, base, folder, device);
  assign_keys(plan, base, *data, threads);
  const std::int64_t parallel = parallel_trials(base, threads, device);
  const auto decisions = decide_all(folder, plan.trials);
  const auto to_run = std::count_if(decisions.begin(), decisions.end(),
                                    [](const TrialDecision& decision) { return decision.runs(); });
  check_disk_space(plan, to_run, parallel, folder, /*more=*/0);
  audit_first(plan);
  log_info(str("noise floor of ", folder.path().string(), ": ", plan.trials.size(), " trials, ", threads,
               threads == 1 ? " thread" : " threads", " a trial, up to ", parallel, " at once"));
  RunOrder order{.threads = threads,
                 .parallel = parallel,
                 .peak_flops = {},
                 .data_folder = data_folder(),
                 .workload = workload_of(plan, *data, folder)};
  if (to_run > 0) order.peak_flops = peaks_of_trials(plan, folder, threads, device);
  return run_plan(folder, plan, order);
}

std::vector<double> trained_losses(const ExperimentFolder& folder, const Plan& plan, std::size_t first,
                                   std::size_t count) {
  std::vector<double> losses;
  for (std::size_t i = first; i < first + count; ++i) {
    const Trial& trial = plan.trials[i];
    const auto summary = finished(
        folder.trial({.step = trial.step, .name = trial.name, .seed = trial.seed, .key = trial.key}));
    if (!summary || !summary->val_loss)
      throw WorkError(str("step ", trial.step, " ", trial.name, ", seed ", trial.seed, ": has no loss"));
    losses.push_back(*summary->val_loss);
  }
  return losses;
}

NoiseFloor make_noise(const Plan& plan, const std::vector<double>& losses, std::int64_t pairs) {
  const auto [n, mean, sd] = mean_sd(losses);
  const Interval interval = sd_interval(*sd, n);
  const Calibration self = compare_with_itself(losses, static_cast<std::size_t>(pairs));
  return {.arm = arm_key(plan.trials[0].config, plan.trials[0].key_text),
          .seeds = plan.seeds,
          .val_losses = losses,
          .sd = *sd,
          .sd_low = interval.low,
          .sd_high = interval.high,
          .comparisons = static_cast<std::int64_t>(self.comparisons),
          .pairs = pairs,
          .rejected = static_cast<std::int64_t>(self.rejected)};
}

void print_floor(const Plan& plan, const NoiseFloor& noise) {
  std::printf("noise floor of step %ld %s: %zu fresh seeds, %ld to %ld\n", static_cast<long>(plan.baseline),
              plan.steps[0].name.c_str(), noise.seeds.size(), static_cast<long>(noise.seeds.front()),
              static_cast<long>(noise.seeds.back()));
  std::printf("validation loss: mean %s, sd %s (95 %% interval %s to %s)\n",
              fixed(mean_sd(noise.val_losses).mean, 4).c_str(), fixed(noise.sd, 5).c_str(),
              fixed(noise.sd_low, 5).c_str(), fixed(noise.sd_high, 5).c_str());
  std::printf("difference of two seeds: sd %s\n", fixed(noise.difference_sd(), 5).c_str());
}

int noise(const NoiseCommand& command) {
  catch_stop_signals();
  check(command);
  Settings settings = command.configuration.settings();
  if (!command.plan.empty()) settings.set("ABLATION_PLAN", command.plan, "--plan");
  const Config base = with_vocabulary(settings).bind();
  const PlanRecord planned = describe_plan(plan_of(settings));
  const auto seeds = fresh_seeds(planned.seeds, command.fresh);
  Plan plan = noise_plan(settings, plans_folder(), seeds, harmed_seeds(command, seeds), settle);
  const ExperimentFolder folder = experiment_folder(command.results, settings.text("EXPERIMENT_NAME"));
  refuse_to_add(folder);
  const RunResult result = train(plan, base, folder);
  if (result.interrupted) log_warning("interrupted; the same command goes on from here");
  if (result.interrupted) return kExitInterrupted;
  if (result.failed > 0 || result.blocked > 0) return kExitFailed;  // the runner has said why
  const auto losses = trained_losses(folder, plan, 0, seeds.size());
  const NoiseFloor floor = make_noise(plan, losses, command.pairs);
  write_noise(folder, floor);
  std::error_code ignored;
  if (std::filesystem::exists(folder.plan(), ignored)) write_report(folder, make_report(folder));
  print_floor(plan, floor);
  std::printf("%s", sensitivity_text(sensitivity_of(planned, floor, floor.arm), output_width()).c_str());
  const auto allowed =
      static_cast<std::int64_t>(allowed_rejections(static_cast<std::size_t>(floor.comparisons)));
  const auto print = [](const std::string& finding) {
    std::printf("%s", finding_line(finding, terminal_width()).c_str());
  };
  print(str("A/A: ", floor.rejected, " of ", floor.comparisons, " rejected (allowed ", allowed,
            "): the baseline against itself, ", floor.pairs, " pairs each, p < .05"));
  bool good = floor.rejected <= allowed;
  if (command.planted_harm > 0) {
    const auto harmed = trained_losses(folder, plan, seeds.size(), plan.trials.size() - seeds.size());
    const auto found = compare_with_harm(losses, harmed, static_cast<std::size_t>(command.pairs));
    print(str("planted harm: ", found.rejected, " of ", found.comparisons,
              " found: the baseline without attention, mean ", fixed(mean_sd(harmed).mean, 4),
              ", worse at p < .05"));
    good = good && found.rejected == found.comparisons;
  }
  std::printf("%s\n", folder.noise().c_str());
  return good ? kExitDone : kExitFailed;
}

}  // namespace

void add_noise_command(CLI::App& app, Action& action) {
  const auto command = std::make_shared<NoiseCommand>();
  auto* parser =
      app.add_subcommand("noise", "Train the baseline on fresh seeds: how much its loss differs by chance");
  command->configuration.add_to(*parser);
  add_plan_option(*parser, command->plan);
  parser->add_option("--results", command->results, "Folder of the results")
      ->capture_default_str()
      ->type_name("DIR")
      ->check(not_empty());
  parser->add_option("--fresh", command->fresh, "How many fresh seeds")
      ->capture_default_str()
      ->type_name("N")
      ->check(whole_number(4));
  parser->add_option("--pairs", command->pairs, "Pairs of a comparison of the baseline with itself")
      ->capture_default_str()
      ->type_name("P")
      ->check(whole_number(2));
  parser
      ->add_option("--planted-harm", command->planted_harm,
                   "Comparisons with the baseline without attention, which must all find it worse")
      ->capture_default_str()
      ->type_name("H")
      ->check(whole_number(0));
  parser->callback([command, &action] { action = [command] { return noise(*command); }; });
}

}  // namespace kablate
