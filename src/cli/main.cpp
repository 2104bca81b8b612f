// The program: parses the command line, runs one subcommand, and turns what went wrong into one message and
// an exit code.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include <CLI/CLI.hpp>

#include <c10/util/Exception.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/version.h"
#include "measure/variables.h"

namespace kablate {
namespace {

// One line, whatever a foreign file put into the message.
int fail(ExitCode code, std::string message) {
  std::replace_if(
      message.begin(), message.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; }, ' ');
  log_error(message);
  return code;
}

// CLI11 says of an unknown command only that one is required.
std::string explain(const CLI::App& app, const CLI::ParseError& fault, const char* first) {
  if (!app.get_subcommands().empty() || first == nullptr)
    return std::string(fault.what()) + "; `kablate COMMAND --help` shows what is allowed";
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands(nullptr))
    if (!command->get_group().empty()) names.push_back(command->get_name());
  return str("\"", first, "\": there is no such command; allowed: ", join(names, ", "));
}

// A ~ that reaches the program is one that the shell did not replace, with a user's name behind it or without
// one: within quotes, or after a "=" for some shells. A text to go on from or to stop at may begin with one.
void refuse_tildes(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool is_text = argument.starts_with("--prompt") || argument.starts_with("--stop");
    if (is_text && argument.find('=') == std::string::npos) ++i;
    if (is_text) continue;
    const bool first = argument.starts_with('~');
    if (first || argument.find("=~") != std::string::npos)
      throw UserError(
          str(first && i > 1 && *argv[i - 1] == '-' ? argv[i - 1] + std::string(" ") : "", argument,
              ": the shell left ~ as it is; write the whole path, or ./~ for a folder of that name"));
  }
}

// The commands that train or evaluate in this process, on several threads.
bool computes(std::string_view command) {
  for (const auto* name :
       {"trial", "time", "knockout", "eval", "bench-decode", "logits", "sample", "judge", "heads"})
    if (command == name) return true;
  return false;
}

int parse_and_run(int argc, char** argv) {
  settle_environment(argv, argc > 1 && computes(argv[1]));
  if (argc > 1 && std::string_view(argv[1]) == "trial") return run_trial_command({argv + 2, argv + argc});
  CLI::App app{
      "Kablate trains every step of an ablation ladder over paired seeds and reports the differences."};
  app.require_subcommand(1);
  app.set_version_flag("--version", version_text, "What was built, of which sources, with what");
  Action action;
  add_run_command(app, action);
  add_plan_command(app, action);
  add_audit_command(app, action);
  add_report_command(app, action);
  add_list_command(app, action);
  add_submit_command(app, action);
  add_status_command(app, action);
  add_verify_command(app, action);
  add_rerun_command(app, action);
  add_diff_command(app, action);
  add_noise_command(app, action);
  add_judge_command(app, action);
  add_knockout_command(app, action);
  add_heads_command(app, action);
  add_eval_command(app, action);
  add_import_command(app, action);
  add_export_command(app, action);
  add_import_runs_command(app, action);
  add_pack_command(app, action);
  add_merge_command(app, action);
  add_bench_decode_command(app, action);
  add_logits_command(app, action);
  add_init_command(app, action);
  add_sample_command(app, action);
  add_tensorboard_command(app, action);
  add_tracked_command(app, action);
  add_task_command(app, action);
  add_time_command(app, action);
  add_read_command(app, action);
  add_peak_command(app, action);
  add_completion_commands(app, action);
  try {
    refuse_tildes(argc, argv);
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& fault) {
    return fail(kExitUserError, explain(app, fault, argv[1]));
  }
  const int code = action();
  errno = 0;
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (!written && errno != EPIPE)
    return fail(kExitFailed, "standard output can't be written to (is its disk full?)");
  return code;
}

int guarded(int argc, char** argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const UserError& fault) {
    return fail(kExitUserError, fault.what());
  } catch (const Interrupted& stop) {
    const std::string_view command = argv[1];
    const bool anew = command == "pack" || command == "merge";  // which leave nothing behind
    return fail(kExitInterrupted,
                str(stop.what(), anew ? "; nothing was written: the same command begins anew"
                                      : "; the same command goes on from here"));
  } catch (const c10::Error& fault) {
    return fail(kExitFailed, fault.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return fail(kExitFailed,
                "out of memory: use a smaller batch, context or model, or fewer PARALLEL_TRIALS");
  } catch (const std::exception& fault) {
    return fail(kExitFailed, fault.what());
  }
}

}  // namespace
}  // namespace kablate

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // `kablate report | head` must not end a run in the middle of a write
  std::signal(SIGCHLD, SIG_DFL);  // ignored by the caller, the system would forget how a child has ended
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is then an error of write(), like a full disk
  return kablate::guarded(argc, argv);
}
