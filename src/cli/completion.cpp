// What a shell completes: commands, options, symbols and their values, from the parser and the symbols'
// table.
#include <cstdio>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/shell.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "config/settings.h"
#include "plan/plan_file.h"

namespace kablate {
namespace {

constexpr const char* kFunctions =
#include "cli/completion.sh.inc"
    ;

// What stands behind an option or in a command's place, as the functions take it. The parser's name of a type
// says it: FILE, DIR, "TEXT:{less,more}".
std::string kind_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (const auto open = type.find('{'); open != std::string::npos)
    return "words " + join(split(type.substr(open + 1, type.find('}') - open - 1), ','), " ");
  if (option.check_lname("steps")) return "steps";
  if (type == "SYMBOL=VALUE") return "symbols";
  if (type == "PLAN") return "plans";
  const std::string name = option.get_positional() ? option.get_name(/*positional=*/true) : type;
  if (name.ends_with("DIR") || name == "A" || name == "B") return "folders";
  if (type == "FILE" || type == "PATH" || option.get_positional()) return "files";
  return "";
}

bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

struct Words {
  std::vector<std::string> options;  // --help …
  std::string here;                  // the kind of what has no option before it
  std::map<std::string, std::string> behind;
};

Words words_of(const CLI::App& command) {
  Words words;
  for (const auto* option : command.get_options()) {
    if (option->get_positional() && words.here.empty()) words.here = kind_of(*option);
    for (const auto& name : option->get_lnames()) {
      words.options.push_back("--" + name);
      if (!is_flag(*option)) words.behind["--" + name] = kind_of(*option);
    }
  }
  return words;
}

std::string offered_values(const Symbol& symbol) {
  if (symbol.type == SymbolType::kBool) return "y n";
  std::vector<std::string> values;
  for (const auto& [value, member] : symbol.members) values.push_back(value);
  return join(values, " ");
}

std::string symbol_text() {
  std::vector<std::string> names;
  std::string cases;
  for (const auto& symbol : symbols()) {
    names.push_back(symbol.name);
    if (const auto values = offered_values(symbol); !values.empty())
      cases += str("    ", symbol.name, ") values=", shell_quoted(values), " ;;\n");
  }
  return str("_kablate_symbols=", shell_quoted(join(names, " ")), "\n\n_kablate_values() {\n  case $1 in\n",
             cases, "  esac\n}\n");
}

std::string command_text(const CLI::App& app) {
  std::vector<std::string> names;
  std::string commands, options;
  for (const auto* command : app.get_subcommands(nullptr)) {
    if (command->get_group().empty()) continue;  // hidden
    const auto& name = command->get_name();
    names.push_back(name);
    const Words words = words_of(*command);
    commands += str("    ", name, ") options=", shell_quoted(join(words.options, " ")),
                    " here=", shell_quoted(words.here), " ;;\n");
    for (const auto& [option, kind] : words.behind)
      options += str("    ", shell_quoted(name + " " + option),
                     ") kind=", shell_quoted(kind.empty() ? "anything" : kind), " ;;\n");
  }
  return str("_kablate_commands=", shell_quoted(join(names, " ")), "\n\n_kablate_command() {\n  case $1 in\n",
             commands, "  esac\n}\n\n_kablate_option() {\n  case $1 in\n", options, "  esac\n}\n");
}

std::string script(const CLI::App& app, const std::string& shell) {
  const std::string begin = shell == "zsh" ? "autoload -U +X bashcompinit && bashcompinit\n" : "";
  return str("# Made by `kablate completion ", shell, "`. In ~/.", shell, "rc:  eval \"$(kablate completion ",
             shell, ")\"\n", begin, "_kablate_plans=", shell_quoted(plans_folder().string()),
             "\n_kablate_program=", shell_quoted((program_folder() / "kablate").string()), "\n",
             symbol_text(), "\n", command_text(app), kFunctions);
}

// The numbers of a plan's steps and controls.
int print_steps(const Settings& settings) {
  const auto file = read_plan_file(plans_folder(), settings.text("ABLATION_PLAN"));
  for (const auto& [number, step] : file.steps) std::printf("%ld\n", static_cast<long>(number));
  for (const auto& [number, control] : file.controls) std::printf("%ld\n", static_cast<long>(number));
  return kExitDone;
}

}  // namespace

void add_completion_commands(CLI::App& app, Action& action) {
  const auto shell = std::make_shared<std::string>();
  auto* command =
      app.add_subcommand("completion", "Print a script that lets a shell complete this program's words");
  command->add_option("SHELL", *shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember(std::vector<std::string>{"bash", "zsh"}));
  command->callback([shell, &app, &action] {
    // The script is made here: what is used after parsing must not refer to the parser.
    action = [text = script(app, *shell)] {
      std::printf("%s", text.c_str());
      return kExitDone;
    };
  });
  const auto options = std::make_shared<PlanOptions>();
  auto* steps = app.add_subcommand("steps", "The numbers of the plan's steps")->group("");
  options->add_to(*steps);
  steps->callback([options, &action] { action = [options] { return print_steps(options->settings()); }; });
}

}  // namespace kablate
