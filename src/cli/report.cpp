#include "report/report.h"

#include <cstdio>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/show_report.h"
#include "cli/watch.h"
#include "record/looks.h"
#include "report/long_csv.h"
#include "report/paper.h"
#include "report/render.h"

namespace kablate {

bool has_faults(const Report& report) {
  for (const auto& fault : report.faults) log_error("no verdict of this table can be believed: " + fault);
  return !report.faults.empty();
}

bool keep_look(const ExperimentFolder& experiment, const Report& report, const char* lost) {
  if (const auto reason = why_read_only(experiment.path()); !reason.empty()) {
    log_warning(str(experiment.path().string(), ": ", reason, ": ", lost, "this look is not recorded"));
    return false;
  }
  record_look(experiment, report.seeds, report.trials);
  return true;
}

void keep_report(const ExperimentFolder& experiment, const Report& report) {
  if (keep_look(experiment, report, "report.html, report.md and report.csv are not written, and "))
    write_report(experiment, report);
}

namespace {

struct ReportCommand {
  std::string folder, format;
  bool csv_long = false;
  std::int64_t every = 0;  // seconds between looks; 0: one look
};

const std::vector<std::string> kFormats{"terminal", "markdown", "latex", "csv"};

std::string rendered(const Report& report, const ReportCommand& command) {
  if (command.csv_long) return render_long_csv(report);
  if (command.format == "markdown") return render_short_markdown(report);
  if (command.format == "latex") return render_latex(report);
  if (command.format == "csv") return render_csv(report);
  return render_terminal(report, output_width());
}

int report(const ReportCommand& command) {
  const ExperimentFolder experiment = existing_experiment(command.folder);
  if (command.every > 0) return watch_report(experiment, static_cast<double>(command.every));
  const Report report = make_report(experiment);
  std::printf("%s", rendered(report, command).c_str());
  if (command.csv_long || !command.format.empty())
    keep_look(experiment, report);
  else
    keep_report(experiment, report);
  return has_faults(report) ? kExitFailed : kExitDone;
}

}  // namespace

void add_report_command(CLI::App& app, Action& action) {
  const auto command = std::make_shared<ReportCommand>();
  auto* parser = app.add_subcommand("report", "Print the table of an experiment from its folder");
  parser->add_option("RESULT_DIR", command->folder, "An experiment's folder, such as results/quick")
      ->required();
  auto* format = parser
                     ->add_option("--format", command->format,
                                  "Print only this: the tables, the main one for a README or a paper, or all "
                                  "columns; report.html, report.md and report.csv stay as they are")
                     ->check(CLI::IsMember(kFormats));
  parser->add_flag("--csv-long", command->csv_long, "Print only the curves: a row a trial and evaluation")
      ->excludes(format);
  parser
      ->add_flag("--watch{10}", command->every,
                 "Again whenever a trial has ended, until all have; looks every 10 s, or --watch=SECONDS")
      ->type_name("")
      ->check(whole_number(1))
      ->force_callback(false)  // CLI11 2.4 checks a number's flag that wasn't given, as 0
      ->excludes(format)
      ->excludes(parser->get_option("--csv-long"));
  parser->callback([command, &action] { action = [command] { return report(*command); }; });
}

}  // namespace kablate
