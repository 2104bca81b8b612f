#include "config/synthetic.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/enum_names.h"

namespace kablate {
namespace {

// The first half keys, the others values.
void halve(std::int64_t count, TaskIds& ids) {
  ids.keys = {0, count / 2}, ids.values = {count / 2, count - count / 2};
}

class Checks {
 public:
  explicit Checks(const Config& config) : c_(config), ids_(task_ids(config.data)) {}

  void run() const {
    const auto& s = c_.data.synthetic;
    if (c_.objective.masked())
      throw UserError(str("OBJECTIVE = masked_token with ", task(),
                          ": its labels say what is to be learnt; set OBJECTIVE to next_token, or DATASET "
                          "to a text"));
    if (c_.gpt.vocabulary != 0 && c_.gpt.vocabulary < s.vocabulary)
      throw UserError(str("GPT2_VOCAB_SIZE = ", c_.gpt.vocabulary, ": ", task(),
                          " has SYNTHETIC_VOCAB_SIZE = ", s.vocabulary,
                          " ids; allowed: no fewer than that, or 0"));
    switch (c_.data.dataset) {
      case DatasetKind::kMqar:
        return mqar();
      case DatasetKind::kInduction:
        return length(4, "three tokens and the trigger");
      case DatasetKind::kRecall:
        return even(4);
      case DatasetKind::kNoisyRecall:
        noisy();
        [[fallthrough]];
      case DatasetKind::kInContextRecall:
        return even(4);
      case DatasetKind::kFuzzyRecall:
        return fuzzy();
      case DatasetKind::kSelectiveCopy:
        return length(2 * s.copied + 2, str("twice SYNTHETIC_COPY = ", s.copied, " and 2"));
      case DatasetKind::kMemorization:
        return memorization();
      case DatasetKind::kCompression:
        return compression();
      case DatasetKind::kRepeats:
        return length(2, "something and its repetition");
      default:
        throw std::logic_error("a data set that is not made from a seed");
    }
  }

 private:
  std::string task() const { return "DATASET = " + enum_name(c_.data.dataset); }

  void length(std::int64_t least, const std::string& what) const {
    if (c_.gpt.context >= least) return;
    throw UserError(
        str("GPT2_BLOCK_SIZE = ", c_.gpt.context, ": ", task(), " needs at least ", least, " (", what, ")"));
  }

  void even(std::int64_t least) const {
    length(least, str(least / 2, least == 2 ? " pair of tokens" : " pairs of tokens"));
    if (c_.gpt.context % 2 != 0)
      throw UserError(str("GPT2_BLOCK_SIZE = ", c_.gpt.context, ": ", task(),
                          " is made of pairs of tokens; allowed: an even number"));
  }

  void mqar() const {
    const auto& s = c_.data.synthetic;
    even(2);
    length(4 * s.pairs, str("four tokens for each of MQAR_PAIRS = ", s.pairs,
                            ": key and value, and a key that is asked for with room behind it"));
    if (ids_.keys.count < s.pairs)
      throw UserError(str("SYNTHETIC_VOCAB_SIZE = ", s.vocabulary, " has ", ids_.keys.count,
                          " keys, MQAR_PAIRS = ", s.pairs, " needs as many that differ; allowed: at least ",
                          2 * s.pairs + 2));
  }

  void memorization() const {
    even(2);
    if (ids_.keys.count < 2)
      throw UserError(str("SYNTHETIC_VOCAB_SIZE = ", c_.data.synthetic.vocabulary, ": ", task(),
                          " has one fact then, and all sequences are the same; allowed: at least 5"));
  }

  void compression() const {
    if (!c_.gpt.autoencoder)
      throw UserError(str(task(),
                          " with AUTOENCODER = n: each position would say the token that it reads; set "
                          "AUTOENCODER to y, or choose another DATASET"));
    length(2, "a token and the one that they are compressed at");
  }

  void noisy() const {
    const auto& s = c_.data.synthetic;
    if (s.vocabulary - s.noise_vocabulary < 2)
      throw UserError(str("SYNTHETIC_NOISE_VOCAB_SIZE = ", s.noise_vocabulary,
                          ": of SYNTHETIC_VOCAB_SIZE = ", s.vocabulary,
                          " a key and a value must be left; allowed: at most ", s.vocabulary - 2));
  }

  void fuzzy() const {
    const auto& s = c_.data.synthetic;
    length(6 * s.motif, str("three keys and values of SYNTHETIC_MOTIF = ", s.motif));
    if (ids_.keys.count < s.motif)
      throw UserError(str(
          "SYNTHETIC_MOTIF = ", s.motif, ": SYNTHETIC_VOCAB_SIZE = ", s.vocabulary, " has ", ids_.keys.count,
          " tokens for keys, and none stands twice in one; allowed: at most ", ids_.keys.count));
  }

  const Config& c_;
  TaskIds ids_;
};

// How many of `drawn` draws, uniform of `of` things, give one that was drawn before.
double repeated(double drawn, double of) { return drawn - of * (1 - std::pow(1 - 1 / of, drawn)); }

// Of pairs, one of which is surely none of the noise, those whose key was said before; and the last.
double recalls(double pairs, double keys, double noise) {
  const double other = 1 - 1 / keys;  // that a pair has another key than one
  const double real = 1 + (pairs - 1) * (1 - noise);
  const double distinct = keys * (1 - other * std::pow(noise + (1 - noise) * other, pairs - 1));
  return real - distinct + 1;
}

// Keys of each length are as many as there are arrangements of so many distinct tokens.
double fuzzy_recalls(double context, double keys, double motif) {
  const double mean = (motif + 1) / 2, pairs = (context - 2 * mean) / (2 * mean);
  double repeats = 0, arrangements = 1;
  for (double length = 1; length <= motif; ++length) {
    arrangements *= keys - length + 1;
    repeats += repeated(pairs / motif, arrangements);
  }
  return (repeats + 1) * mean;
}

}  // namespace

TaskIds task_ids(const DataConfig& data) {
  const auto V = data.synthetic.vocabulary;
  TaskIds ids;
  switch (data.dataset) {
    case DatasetKind::kMqar:
      ids.blank = 0, ids.keys = {1, V / 2 - 1}, ids.values = {V / 2, V - V / 2};
      break;
    case DatasetKind::kInduction:
      ids.values = {0, V - 2}, ids.marker = V - 1;
      break;
    case DatasetKind::kRecall:
      halve(V - 2, ids), ids.marker = V - 1;
      break;
    case DatasetKind::kInContextRecall:
      halve(V, ids);
      break;
    case DatasetKind::kNoisyRecall:
      halve(V - data.synthetic.noise_vocabulary, ids);
      ids.noise = {ids.values.end(), data.synthetic.noise_vocabulary};
      break;
    case DatasetKind::kFuzzyRecall:
      halve(V - 1, ids), ids.blank = V - 1;
      break;
    case DatasetKind::kSelectiveCopy:
      ids.values = {0, V - 2}, ids.blank = V - 2, ids.marker = V - 1;
      break;
    case DatasetKind::kMemorization:
      halve(V - 1, ids), ids.marker = V - 1;
      break;
    case DatasetKind::kCompression:
      ids.values = {0, V - 1}, ids.marker = V - 1;
      break;
    case DatasetKind::kRepeats:
      ids.values = {0, V};
      break;
    default:
      throw std::logic_error("a data set that is not made from a seed");
  }
  return ids;
}

void check_synthetic(const Config& config) { Checks(config).run(); }

double labels_per_sequence(const Config& config) {
  const auto& s = config.data.synthetic;
  const auto T = static_cast<double>(config.gpt.context);
  const auto keys = static_cast<double>(task_ids(config.data).keys.count);
  switch (config.data.dataset) {
    case DatasetKind::kMqar:
      return static_cast<double>(s.pairs);
    case DatasetKind::kInduction:
    case DatasetKind::kRecall:
      return 1;
    case DatasetKind::kInContextRecall:
      return recalls(T / 2 - 1, keys, 0);
    case DatasetKind::kNoisyRecall:
      return recalls(T / 2 - 1, keys, s.noise);
    case DatasetKind::kFuzzyRecall:
      return fuzzy_recalls(T, keys, static_cast<double>(s.motif));
    case DatasetKind::kSelectiveCopy:
      return static_cast<double>(s.copied);
    case DatasetKind::kMemorization:
      return T / 2;
    case DatasetKind::kCompression:
      return T;
    case DatasetKind::kRepeats: {
      const auto [least, most] = repeats_periods(config.gpt.context);
      return T - static_cast<double>(least + most) / 2;
    }
    default:
      throw std::logic_error("a data set that is not made from a seed");
  }
}

Periods repeats_periods(std::int64_t context) { return {(context + 7) / 8, context / 2}; }

std::string text_of(const SyntheticConfig& s) {
  return str(s.vocabulary, " ", s.train, " ", s.test, " ", s.pairs, " ", shortest(s.noise), " ",
             s.noise_vocabulary, " ", s.copied, " ", s.motif);
}

}  // namespace kablate
