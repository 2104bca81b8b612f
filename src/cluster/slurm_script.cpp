#include "cluster/slurm_script.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "base/text.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

// What `kablate submit` sets itself, with the symbol that has it set; "" where none does.
struct Taken {
  std::string_view option, symbol;
};
constexpr std::array kTaken = std::to_array<Taken>({{"partition", "SLURM_PARTITION"},
                                                    {"account", "SLURM_ACCOUNT"},
                                                    {"qos", "SLURM_QOS"},
                                                    {"time", "SLURM_TIME"},
                                                    {"cpus-per-task", "SLURM_CPUS"},
                                                    {"gres", "SLURM_GPUS"},
                                                    {"gpus", "SLURM_GPUS"},
                                                    {"gpus-per-node", "SLURM_GPUS"},
                                                    {"gpus-per-task", "SLURM_GPUS"},
                                                    {"mem-per-cpu", "SLURM_MEMORY"},
                                                    {"mem-per-gpu", "SLURM_MEMORY"},
                                                    {"clusters", ""},
                                                    {"mem", "SLURM_MEMORY"},
                                                    {"constraint", "SLURM_CONSTRAINT"},
                                                    {"array", "SLURM_TASKS_AT_ONCE"},
                                                    {"signal", "SLURM_NOTICE"},
                                                    {"job-name", "EXPERIMENT_NAME"},
                                                    {"output", ""},
                                                    {"error", ""},
                                                    {"open-mode", ""},
                                                    {"requeue", ""},
                                                    {"no-requeue", ""},
                                                    {"dependency", ""},
                                                    {"parsable", ""},
                                                    {"wrap", ""},
                                                    {"wait", ""},
                                                    {"nodes", ""},
                                                    {"ntasks", ""}});

// For a shell.
std::string in_quotes(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

// A path in which Slurm replaces %A and the like.
std::string without_patterns(const std::string& path) {
  std::string text;
  for (const char c : path) text += c == '%' ? "%%" : std::string(1, c);
  return text;
}

std::string directive(const std::string& option) { return "#SBATCH " + option + "\n"; }

// A value that Slurm would cut at a blank stands in quotes, in which it knows no way to write one.
std::string directive(const std::string& option, const std::string& value) {
  const bool plain = value.find_first_of(" \t'\\#") == std::string::npos;
  return directive("--" + option + "=" + (plain ? value : "\"" + value + "\""));
}

std::string library_path(const SlurmJob& job) {
  if (job.libraries.empty()) return "";
  return str("export LD_LIBRARY_PATH=", in_quotes(job.libraries.string()),
             "${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\n");
}

void check_word(const char* symbol, const std::string& value) {
  const auto odd = [](unsigned char c) { return c <= ' ' || c == '"' || c == '\'' || c == '\\' || c == 127; };
  if (std::any_of(value.begin(), value.end(), odd))
    throw UserError(str(symbol, " = \"", value, "\": allowed: what sbatch takes, without blanks and quotes"));
}

void check_extra(const std::string& extra) {
  const auto fail = [&](const std::string& why) {
    throw UserError(str("SLURM_EXTRA = \"", extra, "\": ", why));
  };
  for (const auto& word : split(extra, ' ')) {
    if (word.empty()) continue;
    if (!word.starts_with("--") || word.size() == 2)
      fail(str(word,
               ": allowed: long options with =, or without a value, separated by blanks, such as "
               "--exclude=n3"));
    check_word("SLURM_EXTRA", word);
    const auto name = word.substr(2, word.find('=') == std::string::npos ? word.npos : word.find('=') - 2);
    const auto* taken = std::find_if(kTaken.begin(), kTaken.end(), [&](const Taken& other) {
      return other.option.starts_with(name);  // sbatch takes beginnings, too
    });
    if (taken != kTaken.end())
      fail(str("--", name,
               taken->symbol.empty() ? " is set by `kablate submit` itself; leave it out"
                                     : str(": set ", taken->symbol, " instead")));
  }
}

void check_memory(const std::string& memory) {
  const bool unit = !memory.empty() && std::string_view("KMGT").find(memory.back()) != std::string_view::npos;
  const auto number = parse_int(memory.substr(0, memory.size() - unit));
  if (!memory.empty() && (!number || *number < 1))
    throw UserError(
        str("SLURM_MEMORY = \"", memory, "\": allowed: a whole number with K, M, G or T, such as 8G"));
}

void check_time(const SlurmOptions& options) {
  if (options.time.empty()) return;
  const auto seconds = slurm_seconds(options.time);
  if (!seconds || *seconds <= 0)
    throw UserError(str("SLURM_TIME = \"", options.time,
                        "\": allowed: minutes, or a time such as 1:30:00 or 2-12:00:00"));
  // Slurm may send a signal up to a minute early.
  const double least = static_cast<double>(options.notice) + 60;
  if (*seconds <= least)
    throw UserError(str("SLURM_TIME = ", options.time, " with SLURM_NOTICE = ", options.notice,
                        ": a trial would be asked to save before it has done anything; allowed: more than ",
                        least, " s"));
}

// Digits, zeros before others among them.
std::optional<double> digits(std::string_view text) {
  const bool all =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  const auto number = all ? parse_real(text) : std::nullopt;
  return text.empty() ? std::nullopt : number;
}

std::string common(const SlurmOptions& options, const SlurmJob& job, const std::string& kind,
                   const std::string& output) {
  std::string text = directive("job-name", "kablate-" + job.experiment + kind);
  text += directive("output", without_patterns((job.folder / "log").string()) + "/" + output);
  text += directive("--open-mode=append");
  for (const auto& [name, value] :
       {std::pair("partition", options.partition), {"account", options.account}, {"qos", options.qos}})
    if (!value.empty()) text += directive(name, value);
  return text;
}

}  // namespace

std::optional<double> slurm_seconds(std::string_view text) {
  constexpr double kMinute = 60, kHour = 3600, kDay = 86400;
  const auto dash = text.find('-');
  std::vector<double> numbers;
  for (const auto& piece : split(dash == text.npos ? text : text.substr(dash + 1), ':')) {
    const auto number = digits(piece);
    if (!number || numbers.size() == 3) return {};
    numbers.push_back(*number);
  }
  if (dash != text.npos) {  // days-hours, and what is less
    const auto days = digits(text.substr(0, dash));
    numbers.resize(3);
    if (!days) return {};
    return *days * kDay + numbers[0] * kHour + numbers[1] * kMinute + numbers[2];
  }
  if (numbers.size() == 3) return numbers[0] * kHour + numbers[1] * kMinute + numbers[2];
  return numbers[0] * kMinute + (numbers.size() == 2 ? numbers[1] : 0);
}

void check_slurm(const SlurmOptions& options) {
  for (const auto& [symbol, value] : {std::pair("SLURM_PARTITION", options.partition),
                                      {"SLURM_ACCOUNT", options.account},
                                      {"SLURM_QOS", options.qos},
                                      {"SLURM_CONSTRAINT", options.constraint}})
    check_word(symbol, value);
  check_time(options);
  check_memory(options.memory);
  check_extra(options.extra);
}

std::string array_script(const SlurmOptions& options, const SlurmJob& job) {
  std::string text =
      "#!/bin/bash\n# Written by `kablate submit`: task n trains the trial at place $1 + n of "
      "submission.json.\n";
  text += common(options, job, "", "%A_%a.txt");
  text += job.ranks == 1 ? directive("--nodes=1") + directive("--ntasks=1")
                         : directive("ntasks", std::to_string(job.ranks));  // on as many machines as it takes
  text += directive("cpus-per-task", std::to_string(job.cpus));
  if (options.gpus > 0)
    text += job.ranks == 1 ? directive("gres", str("gpu:", options.gpus))
                           : directive("gpus-per-task", std::to_string(options.gpus));
  for (const auto& [name, value] :
       {std::pair("time", options.time), {"mem", options.memory}, {"constraint", options.constraint}})
    if (!value.empty()) text += directive(name, value);
  // The program asks for itself to be requeued once it has saved; --requeue lets Slurm do so, too, where a
  // machine fails or another job takes its place.
  text += directive("--requeue") + directive("signal", str("B:USR1@", options.notice));
  for (const auto& word : split(options.extra, ' '))
    if (!word.empty()) text += directive(word);
  text += "trap '' USR1\n";  // bash would end by it; what comes before the program runs is lost
  if (job.ranks > 1)
    text += "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK\n";  // which srun does not inherit
  text += library_path(job);
  return text + str("exec ", in_quotes(job.program.string()), " task ", in_quotes(job.folder.string()),
                    " $(($1 + SLURM_ARRAY_TASK_ID))\n");
}

std::string report_script(const SlurmOptions& options, const SlurmJob& job) {
  std::string text =
      "#!/bin/bash\n# Written by `kablate submit`: the table, when all its trials have ended.\n";
  text += common(options, job, "-report", "report.txt");
  for (const auto* option : {"--nodes=1", "--ntasks=1", "--cpus-per-task=1"}) text += directive(option);
  if (!options.time.empty()) text += directive("time", "30");  // minutes
  for (const auto& word : split(options.extra, ' '))
    if (!word.empty()) text += directive(word);
  text += library_path(job);
  return text +
         str("exec ", in_quotes(job.program.string()), " report ", in_quotes(job.results.string()), "\n");
}

std::vector<std::string> overruling_variables(const SlurmOptions& options) {
  std::vector<std::string> names;
  for (const auto* name : {"ARRAY_INX", "SIGNAL", "REQUEUE", "NO_REQUEUE", "OPEN_MODE", "JOB_NAME", "OUTPUT",
                           "ERROR", "WAIT", "CLUSTERS", "GRES", "GPUS", "GPUS_PER_NODE", "CPUS_PER_GPU",
                           "GPUS_PER_TASK", "GPU_BIND", "TRES_PER_TASK", "MEM_PER_GPU", "EXCLUSIVE"})
    names.push_back(std::string("SBATCH_") + name);
  for (const auto& [name, value] : {std::pair("SBATCH_PARTITION", options.partition),
                                    {"SBATCH_ACCOUNT", options.account},
                                    {"SBATCH_QOS", options.qos},
                                    {"SBATCH_TIMELIMIT", options.time},
                                    {"SBATCH_MEM_PER_NODE", options.memory},
                                    {"SBATCH_CONSTRAINT", options.constraint}})
    if (!value.empty()) names.push_back(name);
  if (!options.memory.empty()) names.push_back("SBATCH_MEM_PER_CPU");
  return names;
}

std::vector<ArrayPart> array_parts(std::int64_t tasks, std::int64_t most) {
  std::vector<ArrayPart> parts;
  for (std::int64_t first = 0; first < tasks; first += most)
    parts.push_back({first, std::min(most, tasks - first)});
  return parts;
}

std::vector<std::string> array_call(const SlurmOptions& options, const ArrayPart& part,
                                    const std::filesystem::path& script, const std::string& after) {
  std::vector<std::string> call{"sbatch", "--parsable"};
  call.push_back(str("--array=0-", part.count - 1, options.at_once > 0 ? str("%", options.at_once) : ""));
  if (!after.empty() && options.at_once > 0) call.push_back("--dependency=afterany:" + after);
  call.push_back(script.string());
  call.push_back(std::to_string(part.first));
  return call;
}

std::vector<std::string> report_call(const std::filesystem::path& script,
                                     const std::vector<std::string>& after) {
  return {"sbatch", "--parsable", "--dependency=afterany:" + join(after, ":"), script.string()};
}

}  // namespace kablate
