// What the gates examine: the program's own model, initial values, sample order and decoder, as functions.
// The tests hand in programs with a planted fault.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "model/parameters.h"
#include "model/pass.h"
#include "optim/optimizer.h"
#include "record/metrics_row.h"
#include "shape/parameter.h"

namespace kablate {

struct Config;

// What the trial's loop did: each update, the losses at the end, and the weights before and after.
struct Training {
  bool finite = true;  // false: it stopped where loss or gradient was no number
  std::vector<TrainRow> updates;
  EvaluationRow losses;
  std::map<std::string, Tensor> start, weights;
  std::map<std::string, Tensor> moments;  // the optimizer's "m.NAME" and "v.NAME", after
};

// Of one sequence.
struct CacheBytes {
  double per_token = 0, fixed = 0;
};

struct Subject {
  std::function<ParameterTable(const Config&)> parameters;
  std::function<ParameterSet(const Config&, std::uint64_t seed)> initial_values;

  // Token ids [B, T] to logits [B, T, V].
  std::function<Tensor(const Config&, const ParameterSet&, const Tensor& tokens_BT, const Dropout&)> logits;

  // The same of sequences of which some positions are padding, keep [B, T] bool.
  std::function<Tensor(const Config&, const ParameterSet&, const Tensor& tokens_BT, const Tensor& keep_BT,
                       const Dropout&)>
      kept_logits;

  // The critic's logits [B, T] of token ids, without dropout. REQUIRES: CRITIC = y.
  std::function<Tensor(const Config&, const ParameterSet&, const Tensor& tokens_BT)> critic;

  // What the objective finds in sequences whose masks it keys by `seed`: the means of its terms, by name,
  // without dropout.
  std::function<std::map<std::string, double>(const Config&, const ParameterSet&, const Batch&,
                                              std::uint64_t seed)>
      terms;

  // The same as if `first` tokens that none of these sees stood before them; without dropout.
  std::function<Tensor(const Config&, const ParameterSet&, const Tensor& tokens_BT, std::int64_t first)>
      logits_from;

  // What the trial minimises, of token ids [B, T] and the targets [B, T], auxiliary terms included; it has a
  // gradient. Of masked tokens as if all were masked, and filled in with token 0.
  std::function<Tensor(const Config&, const ParameterSet&, const Tensor& tokens_BT, const Tensor& targets_BT)>
      loss;

  // The logits from a cache, a position at a time.
  std::function<Tensor(const Config&, const ParameterSet&, const Tensor& tokens_BT)> decoded_logits;

  // What decoding these tokens leaves in the cache.
  std::function<CacheBytes(const Config&, const ParameterSet&, const Tensor& tokens_BT)> cache_bytes;

  // Where the first `count` training samples of a stream of `num_tokens` start.
  std::function<std::vector<std::int64_t>(const Config&, std::int64_t seed, std::int64_t num_tokens,
                                          std::int64_t count)>
      sample_starts;

  // The trial's own loop from its start, and an evaluation at the end.
  std::function<Training(const Config&, std::int64_t seed, const std::shared_ptr<const Dataset>&,
                         std::int64_t updates)>
      train;

  std::function<std::unique_ptr<Optimizer>(const OptimConfig&, const NamedParameters&)> optimizer;
};

Subject program();  // this program

// Every tensor drawn from N(mean, 1.2 / √(last dimension)) (vectors: N(mean, 0.3)), float32 on the CPU: far
// from the small initial values, under which a live mechanism would hardly show.
ParameterSet random_parameters(ParameterTable table, std::uint64_t seed);

// What stands at masked places in the gates: with one more id behind it, which like it is never said, where
// the vocabulary has room for that.
std::int64_t audited_mask_token(const Config& config);

// Token ids [B, T] of the configuration's vocabulary, of masked models those below the mask token.
Tensor random_tokens(const Config& config, std::int64_t B, std::int64_t T, std::uint64_t seed);

// ‖a − b‖ / ‖b‖ over all elements, in float64.
double relative_difference(const Tensor& a, const Tensor& b);

}  // namespace kablate
