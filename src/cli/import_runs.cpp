#include <cstdio>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/show_report.h"
#include "record/imported.h"
#include "report/render.h"

namespace kablate {
namespace {

struct ImportRunsCommand {
  std::string file, out, baseline, better = "less";
};

int import_runs(const ImportRunsCommand& command) {
  const auto runs = parse_runs(
      read_text(command.file), command.file,
      {.baseline = command.baseline, .better = command.better == "more" ? Better::kMore : Better::kLess});
  const ExperimentFolder folder(command.out.empty() ? std::filesystem::path("results") / runs.plan.name
                                                    : std::filesystem::path(command.out));
  write_imported(folder, runs);
  if (!runs.ignored.empty())
    log_warning(str(command.file, ": nothing is read from the columns ", join(runs.ignored, ", ")));
  const Report report = make_report(folder);
  std::printf("%s", render_terminal(report, output_width()).c_str());
  keep_report(folder, report);
  std::printf("%s\n%s\n%s\n", folder.report_page().c_str(), folder.report_markdown().c_str(),
              folder.report_csv().c_str());
  return has_faults(report) ? kExitFailed : kExitDone;
}

}  // namespace

void add_import_runs_command(CLI::App& app, Action& action) {
  const auto command = std::make_shared<ImportRunsCommand>();
  auto* parser = app.add_subcommand("import-runs", "The table of runs that others trained, from a CSV file");
  parser->add_option("FILE", command->file, "arm,seed,loss and more columns (docs/tables.md)")->required();
  parser
      ->add_option("--out", command->out,
                   "The experiment's folder; results/ and the file's name if not given")
      ->type_name("DIR")
      ->check(not_empty());
  parser
      ->add_option("--baseline", command->baseline,
                   "The arm that the others are compared with; else the first")
      ->type_name("ARM")
      ->check(not_empty());
  parser->add_option("--better", command->better, "Which way the loss column is good")
      ->capture_default_str()
      ->check(CLI::IsMember(std::vector<std::string>{"less", "more"}));
  parser->callback([command, &action] { action = [command] { return import_runs(*command); }; });
}

}  // namespace kablate
