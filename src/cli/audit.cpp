#include <cstdio>

#include "audit/audit.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/prepare.h"
#include "record/gate_check.h"
#include "record/writer.h"
#include "report/render.h"

namespace kablate {
namespace {

std::string audit_text(const Plan& plan, const std::vector<GateCheck>& checks) {
  TextTable table{
      {"step", "arm", "gate", "result", "what was found"}, {true, false, false, false, false}, {}};
  for (const auto& check : checks)
    table.rows.push_back({std::to_string(check.step), plan.find_step(check.step)->name, check.check,
                          check.passed ? "passed" : "FAILED", check.detail});
  return aligned(table);
}

int audit(const PlanOptions& options, bool json) {
  const Plan plan = options.plan();
  prepare_gates(plan);
  const auto checks = audit_plan(plan);
  std::printf("%s", (json ? json_text(to_json(checks)) : audit_text(plan, checks)).c_str());
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
