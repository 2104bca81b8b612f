#include "plan/terms.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"
#include "plan/key.h"

namespace kablate {
namespace {

struct Term {
  const char* symbol;
  TermKind kind;
};

// `data` is the line of a trial's key with the data's hash.
constexpr std::array<Term, 23> kTerms{{{"OBJECTIVE", TermKind::kMeasured},
                                       {"MASK_SCHEDULE", TermKind::kMeasured},
                                       {"MASK_RATE", TermKind::kMeasured},
                                       {"DATASET", TermKind::kMeasured},
                                       {"data", TermKind::kMeasured},
                                       {"GPT2_BLOCK_SIZE", TermKind::kMeasured},
                                       {"GPT2_EVAL_SAMPLES", TermKind::kMeasured},
                                       {"SYNTHETIC_VOCAB_SIZE", TermKind::kMeasured},
                                       {"SYNTHETIC_TEST", TermKind::kMeasured},
                                       {"MQAR_PAIRS", TermKind::kMeasured},
                                       {"SYNTHETIC_NOISE", TermKind::kMeasured},
                                       {"SYNTHETIC_NOISE_VOCAB_SIZE", TermKind::kMeasured},
                                       {"SYNTHETIC_COPY", TermKind::kMeasured},
                                       {"SYNTHETIC_MOTIF", TermKind::kMeasured},
                                       {"SYNTHETIC_TRAIN", TermKind::kSamples},
                                       {"GPT2_BATCH_SIZE", TermKind::kSamples},
                                       {"GPT2_GRADIENT_ACCUMULATION", TermKind::kSamples},
                                       {"DATA_SEED", TermKind::kSamples},
                                       {"GPT2_MAX_ITERS", TermKind::kSchedule},
                                       {"GPT2_LEARNING_RATE", TermKind::kSchedule},
                                       {"GPT2_MIN_LR", TermKind::kSchedule},
                                       {"GPT2_DECAY_LR", TermKind::kSchedule},
                                       {"GPT2_WARMUP_STEPS", TermKind::kSchedule}}};

// Say when to look at a model and how closely, and change no weight of it.
constexpr std::array<std::string_view, 3> kLooks{"GPT2_EVAL_INTERVAL", "GPT2_EVAL_SAMPLES",
                                                 "GPT2_LOG_INTERVAL"};

std::string value_of(const TrainedValues& values, const std::string& symbol) {
  const auto found = values.find(symbol);
  return found == values.end() ? "" : found->second;
}

// The values of kTerms in their order; "" where nothing reads one.
using TermValues = std::array<std::string_view, kTerms.size()>;

std::optional<std::size_t> place_of(std::string_view symbol) {
  static const auto places = [] {
    std::map<std::string_view, std::size_t> result;
    for (std::size_t i = 0; i < kTerms.size(); ++i) result[kTerms[i].symbol] = i;
    return result;
  }();
  const auto found = places.find(symbol);
  return found == places.end() ? std::nullopt : std::optional(found->second);
}

TermValues terms_of(const TrainedValues& values) {
  TermValues terms;
  for (const auto& [symbol, value] : values)
    if (const auto place = place_of(symbol)) terms[*place] = value;
  return terms;
}

TermValues terms_of(std::string_view key_text) {
  TermValues terms;
  visit_key(key_text, [&](std::string_view name, std::string_view value) {
    if (const auto place = place_of(name)) terms[*place] = value;
  });
  return terms;
}

std::int64_t sequences(const TermValues& values) {
  return parse_int(values[*place_of("GPT2_BATCH_SIZE")]).value_or(0) *
         parse_int(values[*place_of("GPT2_GRADIENT_ACCUMULATION")]).value_or(0);
}

bool is_batch(std::string_view symbol) {
  return symbol == "GPT2_BATCH_SIZE" || symbol == "GPT2_GRADIENT_ACCUMULATION";
}

std::vector<TermDifference> differences_of(const TermValues& own, const TermValues& other) {
  std::vector<TermDifference> differences;
  const bool same_batch = sequences(own) == sequences(other);
  for (std::size_t i = 0; i < kTerms.size(); ++i) {
    const auto& [symbol, kind] = kTerms[i];
    if (same_batch && is_batch(symbol)) continue;
    const auto a = own[i], b = other[i];
    // GPT2_DECAY_LR decides whether the least rate is read, and says so itself.
    const bool said = std::string_view(symbol) == "GPT2_MIN_LR" && (a.empty() || b.empty());
    if (a != b && !said) differences.push_back({kind, symbol, std::string(a), std::string(b)});
  }
  return differences;
}

}  // namespace

TrainedValues trained_values(const Config& config) {
  const auto unused = unused_symbols(config);
  TrainedValues values;
  for (const auto& field : field_values(one_spelling(config)))
    if (field.scope == Scope::kNumbers &&
        std::find(unused.begin(), unused.end(), field.symbol) == unused.end())
      values[field.symbol] = field.text;
  return values;
}

std::vector<std::string> training_differences(const TrainedValues& a, const TrainedValues& b) {
  std::set<std::string> symbols;
  for (const auto* side : {&a, &b})
    for (const auto& [symbol, value] : *side) symbols.insert(symbol);
  std::vector<std::string> differing;
  for (const auto& symbol : symbols)
    if (value_of(a, symbol) != value_of(b, symbol) &&
        std::find(kLooks.begin(), kLooks.end(), symbol) == kLooks.end())
      differing.push_back(symbol);
  return differing;
}

std::string TermDifference::text() const {
  const auto shown = [](const std::string& value) {
    return value.empty() ? "not read" : value.size() > 24 ? value.substr(0, 12) + "…" : value;
  };
  return str(symbol, " ", shown(other), " -> ", shown(own));
}

std::vector<TermDifference> term_differences(const TrainedValues& own, const TrainedValues& other) {
  return differences_of(terms_of(own), terms_of(other));
}

std::vector<TermDifference> term_differences(std::string_view own, std::string_view other) {
  return differences_of(terms_of(own), terms_of(other));
}

bool has_kind(const std::vector<TermDifference>& differences, TermKind kind) {
  return std::any_of(differences.begin(), differences.end(), [&](const auto& d) { return d.kind == kind; });
}

bool are_paired(const std::vector<TermDifference>& differences, const std::vector<std::string>& about) {
  return std::all_of(differences.begin(), differences.end(), [&](const TermDifference& d) {
    return d.kind == TermKind::kSchedule && std::find(about.begin(), about.end(), d.symbol) != about.end();
  });
}

std::string text_of(const std::vector<TermDifference>& differences) {
  std::vector<std::string> texts;
  for (const auto& difference : differences) texts.push_back(difference.text());
  return join(texts, ", ");
}

std::string warmup_note(const Config& config) {
  const auto& optim = config.optim;
  const auto iterations = config.train.max_iters;
  if (optim.warmup_steps < iterations) return "";
  const double last =
      optim.learning_rate * static_cast<double>(iterations) / static_cast<double>(optim.warmup_steps + 1);
  return str("GPT2_WARMUP_STEPS = ", optim.warmup_steps, " is no shorter than GPT2_MAX_ITERS = ", iterations,
             ": the learning rate climbs to ", shortest(last),
             " and never gets to GPT2_LEARNING_RATE = ", shortest(optim.learning_rate));
}

}  // namespace kablate
