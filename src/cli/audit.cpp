#include <cstdio>

#include "audit/audit.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/prepare.h"
#include "config/unread.h"
#include "record/gate_check.h"
#include "record/writer.h"
#include "report/render.h"

namespace kablate {
namespace {

// What is said of every step that a gate looks at is said once.
std::string audit_text(const Plan& plan, const std::vector<GateCheck>& checks, std::size_t width) {
  TextTable table{
      {"step", "arm", "gate", "result", "what was found"}, {true, false, false, false, false}, {}};
  const auto same = [](const GateCheck& a, const GateCheck& b) {
    return a.check == b.check && a.passed == b.passed && a.detail == b.detail;
  };
  for (std::size_t i = 0; i < checks.size(); ++i) {
    const auto& check = checks[i];
    std::vector<std::int64_t> steps;
    for (const auto& other : checks)
      if (same(check, other)) steps.push_back(other.step);
    if (steps.front() != check.step) continue;  // said already
    const std::string arm = steps.size() == 1                   ? plan.find_step(check.step)->name
                            : steps.size() == plan.steps.size() ? "every step"
                                                                : "";
    table.rows.push_back(
        {list_text(steps), arm, check.check, check.passed ? "passed" : "FAILED", check.detail});
  }
  return aligned(table, width);
}

// The gates bring their own data and seeds: what is given and changes nothing of what they find is said. It
// is no error, since `run` reads it.
void say_unread(const PlanOptions& options) {
  const Settings settings = options.settings();
  std::vector<std::string> unread;
  std::vector<std::string_view> symbols{"EXPERIMENT_NAME", "SEEDS", "PARALLEL_TRIALS", "INIT_FROM"};
  const Config config = settings.bind();
  if (!asks_data(config) && !config.data.is_synthetic())
    symbols.insert(symbols.end(), kDataSymbols.begin(), kDataSymbols.end());
  for (const auto symbol : symbols)
    if (on_command_line(settings, symbol)) unread.push_back(given_value(settings, symbol));
  if (options.results != PlanOptions{}.results) unread.push_back("--results " + options.results);
  if (!unread.empty()) log_info("no gate reads: " + join(unread, "; "));
}

int audit(const PlanOptions& options, bool json) {
  const Plan plan = options.plan();
  say_unread(options);
  prepare_gates(plan);
  const auto checks = audit_plan(plan);
  std::printf("%s", (json ? json_text(to_json(checks)) : audit_text(plan, checks, output_width())).c_str());
  for (const auto& check : checks)
    if (!check.passed) return kExitFailed;
  return kExitDone;
}

}  // namespace

void add_audit_command(CLI::App& app, Action& action) {
  struct Options {
    PlanOptions plan;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  auto* command =
      app.add_subcommand("audit", "Prove that every switch of the plan is live and causal; train nothing");
  options->plan.add_to(*command);
  command->add_flag("--json", options->json, "Print JSON");
  command->callback(
      [options, &action] { action = [options] { return audit(options->plan, options->json); }; });
}

}  // namespace kablate
