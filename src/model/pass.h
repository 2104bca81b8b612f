// What a forward pass needs beside the parameters: the type to compute in, positions, the dropout. A value,
// made anew for every pass and handed down; no module keeps any of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/attention/rows.h"
#include "model/dims.h"
#include "model/kernel/fused_rotation.h"
#include "model/linear.h"
#include "model/observation.h"

namespace kablate {

// Dropout whose pattern depends on (seed, sample number, site) alone (spec, section 4), so that it is the
// same whatever the batch, the number of threads or the arm.
class Dropout {
 public:
  Dropout() = default;  // off: evaluation, or probability 0
  Dropout(double probability, std::uint64_t seed, std::vector<std::uint64_t> samples);

  // The same training's with another probability; off where this is one of no training.
  Dropout of(double probability) const {
    return samples_.empty() ? Dropout() : Dropout(probability, seed_, samples_);
  }

  // Of these samples alone, in the order of their sequences, [B] int64; undefined: as it is.
  Dropout of_samples(const Tensor& samples_B) const;

  bool active() const { return probability_ > 0; }
  double probability() const { return probability_; }
  const std::vector<std::uint64_t>& samples() const { return samples_; }
  std::uint64_t stream(const std::string& site) const;                    // the key of base/rng.h
  void check_samples(std::int64_t batch, const std::string& site) const;  // one for each sequence

  // x with elements zeroed and the rest scaled by 1/(1-p); x is [B, ...], row b belonging to sample number
  // samples[b].
  Tensor apply(const Tensor& x, const std::string& site) const;

 private:
  double probability_ = 0;
  std::uint64_t seed_ = 0;
  std::vector<std::uint64_t> samples_;
};

// Which positions a position attends to.
struct Span {
  bool causal = true;    // none after itself
  Tensor keep_BT = {};   // bool, of the tokens that are no padding; undefined: all. What stands at a padded
                         // position is unspecified, and no other position reads it.
  Tensor bias_BTT = {};  // bias(), made once for all layers, where anything is padded
  bool plainly_causal() const { return causal && !keep_BT.defined(); }
  // 0 where position t sees s, else -inf: [B, T, T], or [1, T, T] where nothing is padded. A padded position
  // sees itself, so that no row is empty.
  Tensor bias(std::int64_t T, const at::TensorOptions& options) const;
  // 1 where position t sees s, else 0: [B, T, T], or [1, T, T] where nothing is padded.
  Tensor visible(std::int64_t T, const at::TensorOptions& options) const;
};

struct Pass {
  at::ScalarType dtype = at::kFloat;  // of matrix products; statistics are at least float32 (spec, line 7)
  std::int64_t first_position = 0;    // of the tokens at hand in their sequence
  Span span = {};
  Rotation rotation = {};      // of the tokens at hand, where positions are rotary
  Tensor causal_mean_TT = {};  // row t is 1/(t+1) up to column t: made once, where a gate pools so
  Dropout dropout = {};
  bool recomputes = true;  // the backward pass recomputes what is cheap to compute (model/recompute.h)
  // Gets what each block did, one after the other; null in training and evaluation, where nobody asks.
  std::vector<BlockObservation>* observations = nullptr;
  std::vector<Tensor>* balances = nullptr;  // gets the balance of each layer with experts, from the lowest up
  const RowsObserver* rows_observer = nullptr;  // gets P of each layer; likewise

  // Whether a backward pass will come that may recompute values.
  bool may_recompute() const;

  BlockObservation* observed() const { return observations != nullptr ? &observations->back() : nullptr; }
  // Writes down value() where somebody asks.
  template <typename Value>
  void observe(const char* name, Value value) const {
    if (auto* seen = observed()) (*seen)[name] = value();
  }
};

// float32, or float64 where the pass computes in it.
inline at::ScalarType statistics_type(const Pass& pass) { return statistics_type(pass.dtype); }

// x·Wᵀ + b in the pass's type; W [out, in], b [out] or undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Pass& pass);
// The same with what the map's adapter adds, where it has one.
Tensor linear(const Tensor& x, const LinearMap& map, const Pass& pass);

}  // namespace kablate
