#include "report/tensorboard.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "record/event_file.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

// Held while a folder is brought up to date; others wait.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder) : fd_(::open(folder.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0 || ::flock(fd_, LOCK_EX) != 0)
      throw WorkError(str(folder.string(), ": can't be locked (", std::strerror(errno), ")"));
  }
  ~FolderLock() { ::close(fd_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_;
};

std::string table_row(const std::vector<std::string>& cells) { return str("| ", join(cells, " | "), " |\n"); }

std::string configuration_text(const TrackedTrial& trial) {
  std::string text = table_row({"", ""}) + table_row({"---", "---"});
  text += table_row({"step", str(trial.trial.step, " (", trial.trial.name, ")")});
  text += table_row({"role", trial.role});
  text += table_row({"seed", str(trial.trial.seed)});
  text += table_row({"key", trial.trial.key});
  if (!trial.changes.empty()) {
    text += "\n" + table_row({"symbol", "base.config", "here"}) + table_row({"---", "---", "---"});
    for (const auto& [symbol, texts] : trial.changes) text += table_row({symbol, texts.first, texts.second});
  }
  return text + "\nWhat differs from the menu's defaults:\n\n```\n" + trial.defconfig + "```\n";
}

std::map<std::int64_t, fs::path> event_files(const fs::path& folder) {
  std::map<std::int64_t, fs::path> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (const auto number = parse_event_file_name(entry.path().filename().string()))
      files[*number] = entry.path();
  return files;
}

// Whether anything was written.
bool update_run(const fs::path& folder, const std::string& text) {
  fs::create_directories(folder);
  const auto files = event_files(folder);
  const auto last = files.empty() ? 0 : files.rbegin()->first;
  const std::string there = files.empty() ? "" : read_text(files.at(last));
  const bool goes_on = !there.empty() && text.starts_with(there);
  if (!goes_on) {
    write_file(folder / event_file_name(last + 1), text);
  } else if (there.size() < text.size()) {
    std::ofstream file(files.at(last), std::ios::binary | std::ios::app);
    file.write(text.data() + there.size(), static_cast<std::streamsize>(text.size() - there.size()));
    if (!file.flush())
      throw WorkError(str(files.at(last).string(), ": can't be written (is its disk full?)"));
  }
  // Not removed: a TensorBoard that reads one would never get to the next.
  for (const auto& [number, path] : files)
    if (number != last || !goes_on) write_file_if_changed(path, "");
  return !goes_on || there.size() < text.size();
}

// Folders with events of ours that belong to no planned trial.
std::vector<std::string> strangers_in(const fs::path& out, const std::set<std::string>& known) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(out, ignored)) {
    const auto name = entry.path().filename().string();
    if (!known.contains(name) && !event_files(entry.path()).empty()) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string event_file_text(const TrackedTrial& trial) {
  std::string text = session_records(trial.began);
  text += text_record(trial.began, 0, "configuration", configuration_text(trial));
  for (const auto& row : trial.rows)
    if (!row.scalars.empty()) text += scalars_record(trial.began + row.seconds, row.iteration, row.scalars);
  return text;
}

TensorboardRuns write_tensorboard(const ExperimentFolder& folder, const fs::path& out) {
  const PlanRecord plan = read_plan(folder);
  refuse_imported(folder, plan);
  make_writable_folder(out);
  const FolderLock lock(out);
  TensorboardRuns result;
  std::set<std::string> known;
  // Before any rows are read: of a trial that ends meanwhile the rest comes next time.
  const auto states = trial_states(folder, plan);
  result.complete = std::none_of(states.begin(), states.end(), is_to_come);
  for (const auto& planned : plan.trials) {
    try {
      const auto trial = read_tracked(folder, plan, planned);
      if (!trial) continue;
      const auto name = run_name(trial->trial);
      known.insert(name);
      ++result.runs;
      if (update_run(out / name, event_file_text(*trial))) ++result.renewed;
    } catch (const UserError& fault) {
      result.problems.push_back(fault.what());
    }
  }
  result.strangers = strangers_in(out, known);
  return result;
}

}  // namespace kablate
