#include "cluster/submission.h"

#include <algorithm>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "record/seal.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

constexpr std::int64_t kMostSubmissions = 9999;

std::string number_text(std::int64_t number) {
  const auto digits = std::to_string(number);
  return std::string(4 - digits.size(), '0') + digits;
}

// Empty for another name.
std::optional<std::int64_t> number_of(const std::string& name) {
  const auto digits = name.find_first_not_of('0');
  const auto number = digits == std::string::npos ? std::nullopt : parse_int(name.substr(digits));
  return number && *number > 0 && *number <= kMostSubmissions && number_text(*number) == name ? number
                                                                                              : std::nullopt;
}

}  // namespace

SubmissionFolder new_submission(const ExperimentFolder& folder) {
  std::error_code fault;
  fs::create_directories(folder.slurm(), fault);
  std::int64_t number = 1;
  for (const auto& other : submissions(folder))
    number = std::max(number, *number_of(other.path().filename().string()) + 1);
  for (; !fault && number <= kMostSubmissions; ++number)  // another one may be made at the same time
    if (fs::create_directory(folder.slurm() / number_text(number), fault) && !fault) {
      SubmissionFolder made(folder.slurm() / number_text(number));
      fs::create_directory(made.log(), fault);
      if (!fault) return made;
    }
  throw UserError(str("results folder ", folder.slurm().string(), ": nothing can be made in it (",
                      fault ? fault.message() : str("it holds ", kMostSubmissions, " submissions"),
                      "); choose another with --results DIR or RESULTS=DIR"));
}

std::vector<SubmissionFolder> submissions(const ExperimentFolder& folder) {
  std::vector<fs::path> found;
  std::error_code fault;
  for (fs::directory_iterator entry(folder.slurm(), fault), end; !fault && entry != end;
       entry.increment(fault)) {
    if (number_of(entry->path().filename().string())) found.push_back(entry->path());
  }
  std::sort(found.begin(), found.end());
  return {found.begin(), found.end()};
}

void write_submission(const SubmissionFolder& folder, const Submission& submission) {
  Json trials = Json::array();
  for (const auto& trial : submission.trials)
    trials.push_back({{"step", trial.step},
                      {"name", trial.name},
                      {"seed", trial.seed},
                      {"rerun", trial.rerun_index},
                      {"key", trial.key}});
  write_file(folder.record(), sealed_text({{"created", submission.created},
                                           {"data", submission.data.string()},
                                           {"threads", submission.threads},
                                           {"retry", submission.retry},
                                           {"trials", std::move(trials)}}));
}

Submission read_submission(const SubmissionFolder& folder) {
  const Json json = read_sealed(folder.record());
  try {
    Submission submission;
    submission.created = json.at("created"), submission.data = json.at("data").get<std::string>();
    submission.threads = json.at("threads"), submission.retry = json.at("retry");
    for (const auto& trial : json.at("trials"))
      submission.trials.push_back({.step = trial.at("step"),
                                   .name = trial.at("name"),
                                   .seed = trial.at("seed"),
                                   .rerun_index = trial.at("rerun"),
                                   .key = trial.at("key")});
    return submission;
  } catch (const Json::exception& fault) {
    throw UserError(
        str(folder.record().string(), ": is not what `kablate submit` writes (", fault.what(), ")"));
  }
}

void add_job(const SubmissionFolder& folder, const SubmittedJob& job) {
  const auto line = str(job.id, " ", job.first, " ", job.count, "\n");
  const int file = ::open(folder.jobs().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  const bool written = file >= 0 && ::write(file, line.data(), line.size()) == std::ssize(line);
  if (file >= 0) ::close(file);
  if (!written)
    throw WorkError(str(folder.jobs().string(), ": can't be written; job ", job.id,
                        " was submitted all the "
                        "same (scancel ",
                        job.id, " ends it)"));
}

std::vector<SubmittedJob> read_jobs(const SubmissionFolder& folder) {
  std::error_code ignored;
  if (!fs::exists(folder.jobs(), ignored)) return {};
  auto lines = split(read_text(folder.jobs()), '\n');
  lines.pop_back();
  std::vector<SubmittedJob> jobs;
  for (const auto& line : lines) {
    const auto words = split(line, ' ');
    if (words.size() != 3) continue;
    const auto first = parse_int(words[1]), count = parse_int(words[2]);
    if (first && count) jobs.push_back({words[0], *first, *count});
  }
  return jobs;
}

}  // namespace kablate
