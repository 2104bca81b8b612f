#include "record/looks.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "record/seal.h"

namespace kablate {
namespace {

std::vector<std::string> finished_folders(const std::vector<TrialRecord>& trials) {
  std::vector<std::string> folders;
  for (const auto& trial : trials)
    if (trial.state == TrialState::kDone) folders.push_back(trial.planned.folder);
  std::sort(folders.begin(), folders.end());
  return folders;
}

// The seeds of which two of the trials or more are there.
std::vector<std::int64_t> compared_seeds(const std::vector<std::string>& folders) {
  std::map<std::int64_t, int> counts;
  for (const auto& folder : folders)
    if (const auto name = parse_trial_folder_name(folder)) ++counts[name->seed];
  std::vector<std::int64_t> seeds;
  for (const auto& [seed, count] : counts)
    if (count > 1) seeds.push_back(seed);
  return seeds;
}

// The folders' names without what doesn't count.
std::vector<std::string> names_of(std::vector<std::string> folders, SameTrial same) {
  if (same == SameTrial::kArmAndSeed)
    for (auto& folder : folders)
      if (const auto trial = parse_trial_folder_name(folder))
        folder = trial_folder_name({0, trial->name, trial->seed, std::string(12, '0')});
  std::sort(folders.begin(), folders.end());
  return folders;
}

// Of a line's bytes with the digits of its own "sha256" written as 0; "" if it has none.
std::string sum_of(std::string line) {
  constexpr std::string_view kKey = "\"sha256\":\"";
  const auto at = line.find(kKey);
  if (at == std::string::npos || line.size() < at + kKey.size() + kDigestDigits) return "";
  return hex(sha256(line.replace(at + kKey.size(), kDigestDigits, kDigestDigits, '0')));
}

// What is in `a` and not in `b`; both sorted.
std::vector<std::int64_t> without(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  std::vector<std::int64_t> result;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(result));
  return result;
}

}  // namespace

std::vector<Look> read_looks(const ExperimentFolder& folder, std::vector<std::string>* problems) {
  std::vector<Look> looks;
  std::error_code ignored;
  if (!std::filesystem::exists(folder.looks(), ignored)) return looks;
  std::set<std::string> sums{""};
  std::istringstream file(read_text(folder.looks()));
  std::int64_t number = 0, converted = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.ends_with('\r')) line.pop_back(), ++converted;  // kept: its sum is that of the line without it
    std::string problem;
    try {
      const auto json = Json::parse(line);
      if (!json.contains("before") && !json.contains("sha256")) throw older_format(folder.looks().string());
      const std::string sum = sum_of(line);
      if (json.at("sha256") != sum) {
        problem = "does not have the SHA-256 that stands in it";
      } else {
        looks.push_back({json.at("time"), json.at("planned"), json.at("trials"), sum});
        if (!sums.contains(json.at("before").get<std::string>())) problem = "follows a line that is missing";
        sums.insert(sum);
      }
    } catch (const Json::exception&) {
      problem = "is no look (torn by a crash, or damaged)";
    }
    if (!problem.empty() && problems != nullptr)
      problems->push_back(str(folder.looks().string(), ":", number, ": ", problem,
                              ": there may have been more looks than this table tells of"));
  }
  if (converted > 0 && problems != nullptr)
    problems->push_back(str(folder.looks().string(), ": ", kConvertedLineEnds));
  return looks;
}

bool record_look(const ExperimentFolder& folder, const std::vector<std::int64_t>& planned,
                 const std::vector<TrialRecord>& trials) {
  const auto finished = finished_folders(trials);
  const auto looks = read_looks(folder);
  if (finished.empty() || (!looks.empty() && looks.back().trials == finished)) return false;
  Json row{{"time", utc_now()},
           {"planned", planned},
           {"trials", finished},
           {"before", looks.empty() ? "" : looks.back().sha256},
           {"sha256", std::string(64, '0')}};
  row["sha256"] = sum_of(row.dump());
  std::ifstream before(folder.looks(), std::ios::binary | std::ios::ate);
  const bool torn = before && before.tellg() > 0 && before.seekg(-1, std::ios::end).get() != '\n';
  std::ofstream file(folder.looks(), std::ios::binary | std::ios::app);
  file << (torn ? "\n" : "") + row.dump() + "\n" << std::flush;
  if (!file) throw WorkError(str(folder.looks().string(), ": can't be written"));
  return true;
}

std::string joined_looks(const std::vector<ExperimentFolder>& folders) {
  std::vector<std::vector<std::string>> queues;  // the next line of each last
  for (const auto& folder : folders) {
    std::error_code ignored;
    if (!std::filesystem::exists(folder.looks(), ignored)) continue;
    auto& lines = queues.emplace_back(split(read_text(folder.looks()), '\n'));
    std::erase(lines, "");
    std::reverse(lines.begin(), lines.end());
  }
  const auto time_of_next = [](const std::vector<std::string>& queue) {
    const auto json = Json::parse(queue.back(), nullptr, /*allow_exceptions=*/false);
    const auto time = json.is_object() ? json.value("time", Json()) : Json();
    return time.is_string() ? time.get<std::string>() : "";
  };
  std::string text;
  std::set<std::string> seen;
  while (std::erase_if(queues, [](const auto& queue) { return queue.empty(); }), !queues.empty()) {
    auto& next = *std::min_element(queues.begin(), queues.end(), [&](const auto& a, const auto& b) {
      return time_of_next(a) < time_of_next(b);
    });
    if (seen.insert(next.back()).second) text += next.back() + "\n";
    next.pop_back();
  }
  return text;
}

std::vector<EarlierLook> earlier_looks(const std::vector<Look>& looks, const std::vector<TrialRecord>& trials,
                                       SameTrial same_trial) {
  const auto now = names_of(finished_folders(trials), same_trial);
  const auto seeds_now = compared_seeds(now);
  std::map<std::vector<std::int64_t>, EarlierLook> by_seeds;
  for (const auto& look : looks) {
    std::vector<std::string> same;
    const auto folders = names_of(look.trials, same_trial);
    std::set_intersection(folders.begin(), folders.end(), now.begin(), now.end(), std::back_inserter(same));
    const auto seeds = compared_seeds(same);
    const auto since = without(seeds_now, seeds);
    if (seeds.empty() || since.empty()) continue;
    auto planned = look.planned;
    std::sort(planned.begin(), planned.end());
    by_seeds.try_emplace(seeds, EarlierLook{seeds, since, without(since, planned)});
  }
  std::vector<EarlierLook> result;
  for (auto& [seeds, look] : by_seeds) result.push_back(std::move(look));
  std::stable_sort(result.begin(), result.end(),
                   [](const auto& a, const auto& b) { return a.seeds.size() < b.seeds.size(); });
  return result;
}

}  // namespace kablate
