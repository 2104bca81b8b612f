#include <tuple>

#include "base/error.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/show_report.h"
#include "report/render.h"
#include "report/run_difference.h"
#include "report/table.h"

namespace kablate {
namespace {

struct DiffCommand {
  std::string a, b;
};

std::vector<DifferenceSection> sections_of(const DiffCommand& command) {
  if (is_experiment(command.a) != is_experiment(command.b)) {
    const auto& [experiment, other] =
        is_experiment(command.a) ? std::tie(command.a, command.b) : std::tie(command.b, command.a);
    throw UserError(str(experiment, " is an experiment's folder and ", other,
                        " is not; give two experiments, or two trials"));
  }
  if (is_experiment(command.a))
    return experiment_differences(ExperimentFolder(command.a), ExperimentFolder(command.b));
  return trial_differences(existing_trial(command.a), existing_trial(command.b));
}

// Both tables, one above the other.
void show_tables(const DiffCommand& command) {
  for (const auto& [letter, path] : {std::pair{"a", command.a}, std::pair{"b", command.b}}) {
    const ExperimentFolder folder(path);
    const Report report = make_report(folder);
    std::printf("%s\n%s: %s\n\n%s", *letter == 'a' ? "" : "\n", letter, path.c_str(),
                render_findings(report, output_width()).c_str());
    keep_look(folder, report);
  }
}

int diff(const DiffCommand& command) {
  const auto sections = sections_of(command);
  if (is_experiment(command.a))
    show_tables(command);
  else
    std::printf("a: %s\nb: %s\n", command.a.c_str(), command.b.c_str());
  for (const auto& section : sections) {
    std::printf("\n%s\n", section.title.c_str());
    if (section.lines.empty()) std::printf("  no difference\n");
    for (const auto& line : section.lines)
      std::printf("%s", finding_line(line, terminal_width(), /*indent=*/2).c_str());
  }
  return kExitDone;
}

}  // namespace

void add_diff_command(CLI::App& app, Action& action) {
  const auto command = std::make_shared<DiffCommand>();
  auto* parser = app.add_subcommand(
      "diff", "Say what differs between two trials or two experiments: configuration, key, results");
  parser->add_option("A", command->a, "A trial's or an experiment's folder")->required();
  parser->add_option("B", command->b, "Another of the same kind")->required();
  parser->callback([command, &action] { action = [command] { return diff(*command); }; });
}

}  // namespace kablate
