// The subcommands of the program (docs/commands.md): each
// adds its options to the parser and names what to run.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace kablate {

// Each registers a subcommand of `app`; parsing it sets `action`, whose result is the exit code.
using Action = std::function<int()>;
void add_run_command(CLI::App& app, Action& action);
void add_plan_command(CLI::App& app, Action& action);
void add_audit_command(CLI::App& app, Action& action);
void add_report_command(CLI::App& app, Action& action);
void add_import_runs_command(CLI::App& app, Action& action);
void add_pack_command(CLI::App& app, Action& action);
void add_merge_command(CLI::App& app, Action& action);
void add_list_command(CLI::App& app, Action& action);
void add_submit_command(CLI::App& app, Action& action);
void add_status_command(CLI::App& app, Action& action);
void add_verify_command(CLI::App& app, Action& action);
void add_rerun_command(CLI::App& app, Action& action);
void add_diff_command(CLI::App& app, Action& action);
void add_noise_command(CLI::App& app, Action& action);
void add_judge_command(CLI::App& app, Action& action);
void add_knockout_command(CLI::App& app, Action& action);
void add_heads_command(CLI::App& app, Action& action);
void add_eval_command(CLI::App& app, Action& action);
void add_import_command(CLI::App& app, Action& action);
void add_export_command(CLI::App& app, Action& action);
void add_bench_decode_command(CLI::App& app, Action& action);
void add_logits_command(CLI::App& app, Action& action);
void add_init_command(CLI::App& app, Action& action);
void add_sample_command(CLI::App& app, Action& action);
void add_tensorboard_command(CLI::App& app, Action& action);
void add_completion_commands(CLI::App& app, Action& action);  // of all that were added before
void add_tracked_command(CLI::App& app, Action& action);      // for scripts/track.py, hidden
void add_task_command(CLI::App& app, Action& action);         // for the scripts of `submit`, hidden
void add_time_command(CLI::App& app, Action& action);         // for the runner, hidden
void add_peak_command(CLI::App& app, Action& action);         // likewise
void add_read_command(CLI::App& app, Action& action);         // for tests, hidden

// `kablate trial`, which the runner starts; its arguments are built by runner/trial_command.
int run_trial_command(const std::vector<std::string>& arguments);

}  // namespace kablate
