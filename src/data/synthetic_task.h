// Tasks whose sequences are made from a seed: what must be recalled, copied or remembered, with a label where
// the answer is to be said. T is the length of the input; ids as config/synthetic.h deals them out.
//
//   mqar               MQAR_PAIRS distinct keys, each with one of as many distinct values behind it, then
//                      filler (0) with each key once more; the label of a key's second place is its value.
//                      Of the (T - 2·pairs)/2 places, every other one, the i-th from 1 on is taken with
//                      p(i) ∝ 0.01·i^(0.01 - 1), none twice (Arora et al. 2023, arXiv 2312.04927, figure 2)
//   induction          T - 1 random tokens and the trigger, which stands among them too, once: what follows
//                      it there is the label of the last (Fu et al. 2022, H3, arXiv 2212.14052)
//   recall             (T - 2)/2 pairs of keys and values, equal keys with equal values, then the marker and
//                      a key of them: its label is its value (the same)
//   in_context_recall  T/2 pairs alike, the last of a key that was there; the label of a key that was said
//                      before is its value (Poli et al. 2024, MAD, arXiv 2403.17844, as the following)
//   noisy_recall       the same, where each pair but one and the last is noise with p = SYNTHETIC_NOISE
//   fuzzy_recall       the same with keys and values of 1 to SYNTHETIC_MOTIF distinct tokens (keys of the
//                      test of so many), all of a value labelled; blanks before them fill up the T + 1 tokens
//   selective_copy     SYNTHETIC_COPY tokens among blanks, a marker, and as many blanks, whose labels are the
//                      tokens in their order
//   memorization       keys, each before a marker whose label is the key's value: the same for all sequences,
//                      seeds and splits, and nowhere in the input
//   compression        T - 1 random tokens and a marker; the label of every position is its own token, said
//                      from the state at the last alone (AUTOENCODER; MAD)
//   repeats            random tokens r r r …, of period p uniform in [T/8, T/2]: the label of each from p on
//                      is the next
//
// MAD and H3 train recall on every next token, and test on labels; here both are of labels alone.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "config/data_options.h"

namespace kablate {

// The numbers of one sequence, from its place in a keyed stream on.
class Draws {
 public:
  Draws(std::uint64_t key, std::uint64_t sequence) : key_(key), sequence_(sequence) {}
  std::int64_t below(std::int64_t bound);  // uniform in [0, bound), without bias
  double uniform();                        // in [0, 1)

 private:
  std::uint64_t bits();

  std::uint64_t key_, sequence_, place_ = 0;
};

class SyntheticTask {
 public:
  virtual ~SyntheticTask() = default;

  // One sequence: inputs [T], and labels [T], which are kIgnoreIndex when this is called. `tests`: of the
  // test set.
  virtual void make(Draws& draws, bool tests, std::span<std::int64_t> inputs,
                    std::span<std::int64_t> labels) const = 0;
};

// REQUIRES: check_synthetic() passes for these data and a context of T.
std::unique_ptr<const SyntheticTask> make_task(const DataConfig& data, std::int64_t T);

}  // namespace kablate
