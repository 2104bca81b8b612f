// Training by numbers alone: updates and evaluations of one model, as values; it knows no file, no clock and
// no signal. A trial (trial.h) drives it and keeps what it gives; so does whoever wants a few updates of the
// same loop in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "distributed/communicator.h"
#include "interchange/safetensors.h"
#include "record/metrics_row.h"
#include "train/session.h"
#include "train/token_hash.h"

namespace kablate {

struct Config;

// All that the next update depends on.
struct TrainerState {
  std::int64_t iteration = 0;                                 // updates made
  std::int64_t clipped_elements = 0, spikes = 0, resets = 0;  // as in TrainRow
  std::string tokens;               // TokenChain::state since the last row that was due
  NamedTensors weights, optimizer;  // with the optimizer's what Pruner::state() gives
};

struct Update {
  // False: loss or gradient was no number; nothing was changed and the iteration is not counted.
  bool finite = true;
  bool due = false;  // whether GPT2_LOG_INTERVAL asks for the row: the first of each interval, and the last
  TrainRow row;      // without what the clock says
};

class Trainer {
 public:
  // Initial weights by `seed`; order of samples by DATA_SEED, or by `seed`. `ranks` must outlive the object;
  // each rank takes the pieces of GPT2_GRADIENT_ACCUMULATION whose number, modulo the ranks, is its own.
  // Throws UserError if they can't be shared evenly.
  Trainer(const Config& config, std::int64_t seed, std::shared_ptr<const Dataset> data,
          Communicator& ranks = one_rank());

  // Starts from these weights instead; what they lack stays as drawn. REQUIRES: no update was made.
  void begin_with(const NamedTensors& weights);

  Update update();

  // The losses on the evaluation windows of both splits (evaluator.h). `between` is called before each batch;
  // it may throw to stop.
  EvaluationRow evaluate(const std::function<void()>& between = [] {});
  std::vector<MechanismRow> observe() const;  // mechanism_log.h

  std::int64_t iteration() const { return iteration_; }  // updates made
  bool done() const;                                     // GPT2_MAX_ITERS updates are made
  bool evaluation_due() const;                         // after these updates, by GPT2_EVAL_INTERVAL, or done
  const Session& session() const { return session_; }  // model, weights, data

  // Weights and moments are the live ones, not copies, of the model that the last update trained.
  TrainerState state() const;
  // Goes on from a state. Throws WorkError saying what does not fit (a tensor's name or shape, a count out of
  // range); nothing was changed then.
  void restore(const TrainerState& state);
  void all_have_restored();  // says that every rank has (Optimizer::all_have_loaded)

 private:
  void check(const TrainerState& state) const;
  Config stage_after(std::int64_t updates) const;

  Communicator& ranks_;
  Session session_;
  std::int64_t iteration_ = 0, clipped_elements_ = 0, spikes_ = 0, resets_ = 0;
  TokenChain trained_on_;
};

}  // namespace kablate
