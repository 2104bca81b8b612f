#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/archive.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "report/merge.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

struct MergeCommand {
  std::vector<std::string> sources;
  std::string out;
};

// Beside the folder that is to be, so that it can be renamed to it.
class MergeScratch {
 public:
  explicit MergeScratch(const fs::path& out) : path_(out.string() + ".tmp" + unique_word()) {
    std::error_code fault;
    fs::create_directories(path_, fault);
    if (fault)
      throw UserError(str("--out = ", out.string(), ": can't be made (", fault.message(),
                          "); choose another with --out DIR or TO=DIR after make"));
  }
  ~MergeScratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  MergeScratch(const MergeScratch&) = delete;
  MergeScratch& operator=(const MergeScratch&) = delete;

  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

// Nothing that lies there could be lost then.
fs::path new_folder(const std::string& out, const std::vector<std::string>& sources) {
  std::error_code ignored;
  auto path = fs::absolute(out).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // a name that ends in /
  if (fs::is_symlink(fs::symlink_status(path, ignored)))
    throw UserError(str("--out = ", out, ": is a link; name the folder itself, new or empty"));
  if (fs::exists(out, ignored) && !(fs::is_directory(out, ignored) && fs::is_empty(out, ignored)))
    throw UserError(
        str("--out = ", out,
            ": is there already; expected a folder that is new or empty. To add to what was merged "
            "before, give it as a source"));
  for (const auto& source : sources)
    if (lies_in(path, source))
      throw UserError(str("--out = ", out, ": lies in ", source, ", which is merged; name another place"));
  return path;
}

// The one folder that an archive of `pack` holds.
ExperimentFolder unpacked(const std::string& archive, const fs::path& into) {
  fs::create_directory(into);
  read_archive(archive, into, throw_if_stop_requested);
  const std::vector<fs::directory_entry> found{fs::directory_iterator(into), fs::directory_iterator()};
  if (found.size() != 1 || !fs::exists(ExperimentFolder(found.front().path()).plan()))
    throw UserError(
        str(archive, ": holds no experiment; expected an archive of `kablate pack`, or a folder"));
  return ExperimentFolder(found.front().path());
}

// Messages name the archive, not where it was unpacked.
template <typename Read>
auto naming(const std::string& source, const ExperimentFolder& folder, Read&& read) {
  try {
    return read();
  } catch (const UserError& fault) {
    std::string text = fault.what();
    const auto path = folder.path().string();
    for (auto at = text.find(path); at != std::string::npos; at = text.find(path, at + source.size()))
      text.replace(at, path.size(), source);
    throw UserError(text);
  }
}

MergeSource merge_source(const std::string& name, const fs::path& scratch) {
  const bool is_archive = fs::is_regular_file(name);
  const auto folder = is_archive ? unpacked(name, scratch) : existing_experiment(name);
  const auto tree = naming(name, folder, [&] {
    refuse_older_format(folder);
    refuse_imported(folder, read_plan(folder));
    auto files = portable_tree(folder, /*with_checkpoints=*/false);
    refuse_faults(files);
    return files;
  });
  throw_if_stop_requested();
  for (const auto& problem : tree.problems) log_warning(problem);
  for (const auto& left_out : tree.left_out) log_warning("not merged: " + left_out);
  return {name, folder, tree};
}

// Before the rename: a folder that stands is whole after a crash, too.
void flush_tree(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) flush_to_disk(entry.path());
  flush_to_disk(folder);
}

int merge(const MergeCommand& command) {
  catch_stop_signals();
  const auto out = new_folder(command.out, command.sources);
  const MergeScratch scratch(out);
  std::vector<MergeSource> sources;
  for (const auto& name : command.sources)
    sources.push_back(merge_source(name, scratch / std::to_string(sources.size())));
  const auto merged = merge_experiments(sources);
  const ExperimentFolder folder(scratch / "merged");
  write_merged(sources, merged, folder);
  check_merged(merged, folder);
  flush_tree(folder.path());
  throw_if_stop_requested();
  rename_durably(folder.path(), out);
  const auto done = std::ranges::count_if(
      merged.trials, [](const auto& trial) { return trial.record.state == TrialState::kDone; });
  std::printf("%s: %ld of %zu trials done; `kablate report %s` prints the table\n", command.out.c_str(),
              static_cast<long>(done), merged.trials.size(), command.out.c_str());
  return kExitDone;
}

}  // namespace

void add_merge_command(CLI::App& app, Action& action) {
  const auto command = std::make_shared<MergeCommand>();
  auto* parser = app.add_subcommand("merge", "One experiment of several machines' trials of one plan");
  parser->add_option("SOURCE", command->sources, "Experiments' folders, or archives of `pack`")
      ->required()
      ->expected(2, -1);
  parser->add_option("--out", command->out, "The experiment's folder to make, new or empty")
      ->type_name("DIR")
      ->required()
      ->check(not_empty());
  parser->callback([command, &action] { action = [command] { return merge(*command); }; });
}

}  // namespace kablate
