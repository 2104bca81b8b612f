#include <cstdio>
#include <filesystem>

#include "base/archive.h"
#include "base/error.h"
#include "base/input_file.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "record/portable_tree.h"
#include "record/reader.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

struct PackCommand {
  std::string folder, out;
  bool with_checkpoints = false;
};

// Beside the experiment's folder, if nothing is said. An archive within it would be packed by the next one.
fs::path archive_of(const PackCommand& command, const fs::path& experiment) {
  if (command.out.empty()) {
    auto given = fs::path(command.folder).lexically_normal();
    if (!given.has_filename()) given = given.parent_path();
    const bool has_name = given.filename() == experiment.filename();  // "." has none
    return (has_name ? given : experiment).string() + ".tar.gz";
  }
  const fs::path out = command.out;
  if (const auto other = other_than_file(out); !other.empty())
    throw UserError(str("--out = ", command.out, ": is ", other, "; expected the file to write, *.tar.gz"));
  const auto parent = fs::weakly_canonical(fs::absolute(out)).parent_path();
  if (!fs::is_directory(parent))
    throw UserError(str("--out = ", command.out, ": there is no folder ", parent.string()));
  if (lies_in(parent, experiment))
    throw UserError(str("--out = ", command.out, ": lies in the folder that is packed; name another place"));
  const auto name = out.filename().string();
  if (!name.ends_with(".tar.gz") && !name.ends_with(".tgz"))
    throw UserError(str("--out = ", command.out, ": expected a name that ends in .tar.gz or .tgz"));
  return out;
}

// What stands there already is replaced by an archive that holds no less.
void check_replaced(const fs::path& archive, bool with_checkpoints) {
  if (!fs::exists(archive)) return;
  const std::string remedy = "; move it away, or name another file with --out FILE (TO=FILE after make)";
  if (!is_gzip(archive))
    throw UserError(str(archive.string(), ": is there already and no archive of `kablate pack`", remedy));
  if (with_checkpoints) return;
  for (const auto& name : names_in_archive(archive, throw_if_stop_requested))
    if (name.find("/checkpoint/") != std::string::npos)
      throw UserError(str(archive.string(),
                          ": is there already with checkpoints, which this one would be "
                          "without; give --with-checkpoints",
                          remedy));
}

int pack(const PackCommand& command) {
  catch_stop_signals();
  const ExperimentFolder folder = existing_experiment(command.folder);
  refuse_older_format(folder);
  const auto path = fs::canonical(folder.path());
  const auto out = archive_of(command, path);
  check_replaced(out, command.with_checkpoints);
  const auto tree = portable_tree(folder, command.with_checkpoints);
  throw_if_stop_requested();
  refuse_faults(tree);
  for (const auto& problem : tree.problems) log_warning(problem);
  for (const auto& left_out : tree.left_out) log_warning("not packed: " + left_out);
  std::vector<std::string> names;
  for (const auto& name : tree.files) names.push_back((path.filename() / name).string());
  write_archive(path.parent_path(), names, out, throw_if_stop_requested);
  std::printf("%s: %zu files of %s, %s\n", out.c_str(), names.size(), folder.path().c_str(),
              human_bytes(static_cast<double>(fs::file_size(out))).c_str());
  return kExitDone;
}

}  // namespace

void add_pack_command(CLI::App& app, Action& action) {
  const auto command = std::make_shared<PackCommand>();
  auto* parser = app.add_subcommand("pack", "One archive of an experiment, checked, for another machine");
  parser->add_option("RESULT_DIR", command->folder, "An experiment's folder, such as results/quick")
      ->required();
  parser
      ->add_option("--out", command->out,
                   "The archive, *.tar.gz; RESULT_DIR.tar.gz beside the folder if not given")
      ->type_name("FILE")
      ->check(not_empty());
  parser->add_flag("--with-checkpoints", command->with_checkpoints, "Checkpoints of unfinished trials, too");
  parser->callback([command, &action] { action = [command] { return pack(*command); }; });
}

}  // namespace kablate
