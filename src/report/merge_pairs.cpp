#include "report/merge_pairs.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>

#include "base/text.h"
#include "plan/key.h"
#include "report/pairing.h"

namespace kablate {
namespace {

// Lines of a key that say by what a trial was made. What else stands there is the arm, its data or its seed.
const std::set<std::string> kMadeBy{"threads",  "ranks",   "device",   "kernels",
                                    "LibTorch", "sources", "compiler", "flags"};
const std::set<std::string> kOfTheSeed{"seed", "DATA_SEED"};

using Seeds = std::set<std::int64_t>;

std::string symbol_of(const std::string& phrase) { return phrase.substr(0, phrase.find(' ')); }

std::string named_seeds(const Seeds& seeds) {
  return str(seeds.size() == 1 ? "seed " : "seeds ", list_text({seeds.begin(), seeds.end()}));
}

std::vector<const MergedTrial*> ended_ones(const std::vector<MergedTrial>& trials) {
  std::vector<const MergedTrial*> ended;
  for (const auto& trial : trials)
    if (has_ended(trial.record)) ended.push_back(&trial);
  return ended;
}

// "" if all were made alike.
std::string unlike_text(const std::vector<const MergedTrial*>& ended) {
  std::map<std::pair<bool, std::string>, Seeds> unlike;  // the program itself says most
  const auto& first = ended.front()->record;
  for (const auto* trial : ended) {
    const auto add = [&](const std::string& phrase) {
      unlike[{symbol_of(phrase) != "sources", phrase}].insert(trial->record.planned.seed);
    };
    for (const auto& phrase : made_by_differences(first, trial->record)) add(phrase);
    if (first.summary && trial->record.summary &&
        first.summary->arithmetic != trial->record.summary->arithmetic)
      add("arithmetic");
  }
  std::vector<std::string> phrases;
  for (const auto& [phrase, seeds] : unlike)
    phrases.push_back(str(phrase.second, " (", named_seeds(seeds), ")"));
  return join(phrases, ", ");
}

// The seeds of which some trials are no pair.
Seeds mixed_seeds(const std::vector<const MergedTrial*>& ended) {
  Seeds mixed;
  for (std::size_t i = 0; i < ended.size(); ++i)
    for (std::size_t k = i + 1; k < ended.size(); ++k) {
      const auto &a = ended[i]->record, &b = ended[k]->record;
      if (a.planned.seed == b.planned.seed && !why_no_pair(a, b).empty()) mixed.insert(a.planned.seed);
    }
  return mixed;
}

}  // namespace

bool has_ended(const TrialRecord& trial) {
  return trial.state == TrialState::kDone || trial.state == TrialState::kDiverged;
}

std::vector<std::string> made_by_differences(const TrialRecord& a, const TrialRecord& b) {
  auto phrases = key_differences(a.key_text, b.key_text);
  std::erase_if(phrases, [](const std::string& phrase) { return !kMadeBy.contains(symbol_of(phrase)); });
  return phrases;
}

std::vector<std::string> arm_differences(const TrialRecord& a, const TrialRecord& b) {
  auto phrases = key_differences(a.key_text, b.key_text);
  std::erase_if(phrases, [](const std::string& phrase) {
    return kMadeBy.contains(symbol_of(phrase)) || kOfTheSeed.contains(symbol_of(phrase));
  });
  return phrases;
}

std::string why_no_pair(const TrialRecord& a, const TrialRecord& b) {
  if (a.summary && b.summary)
    if (auto why = why_not_comparable(*a.summary, *b.summary); !why.empty()) return why;
  const auto unlike = made_by_differences(a, b);
  return unlike.empty() ? "" : "they were not made by the same: " + join(unlike, ", ");
}

std::string origin_note(const std::vector<MergeSource>& sources, const std::vector<MergedTrial>& trials) {
  const auto ended = ended_ones(trials);
  const std::string begin = str("Merged from ", sources.size(), " results");
  if (ended.empty()) return begin + ", in which no trial has ended.";
  std::map<std::size_t, Seeds> seeds;
  for (const auto* trial : ended) seeds[trial->source].insert(trial->record.planned.seed);
  std::vector<std::string> parts;
  for (const auto& [source, own] : seeds)
    parts.push_back(str(named_seeds(own), " of ", sources[source].name));
  std::string note = str(begin, ": ", join(parts, "; "), ".");
  const auto unlike = unlike_text(ended);
  if (unlike.empty()) return note;
  const auto mixed = mixed_seeds(ended);
  return note + " They were not made alike: " + unlike +
         (mixed.empty() ? "; within each seed they were."
                        : str("; not even all of ", named_seeds(mixed), " among themselves."));
}

}  // namespace kablate
