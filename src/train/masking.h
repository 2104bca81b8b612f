// What is hidden of sequences whose masked tokens are to be filled in (Devlin et al. 2018, BERT, arXiv
// 1810.04805; with a rate a sequence, Sahoo et al. 2024, masked diffusion, arXiv 2406.07524).
#pragma once

#include <cstdint>

#include "config/objective_options.h"
#include "data/batch.h"

namespace kablate {

struct Masking {
  double rate = 0;  // of the positions, where the schedule is fixed
  MaskSchedule schedule = MaskSchedule::kFixed;
  std::int64_t token = 0;  // what stands at masked positions: the id after the data's last one
  bool fills = false;      // Batch::draws as well, by the same keys
};

// The sequences with some of their kept positions masked; targets are the tokens that stood there, elsewhere
// kIgnoreIndex. A position is masked where its number, keyed by (seed, sequence, position), is below the
// rate: the same in whatever batch it stands, and for every arm. Fixed: at least one of a sequence, that of
// the lowest number. Uniform: a rate drawn for each sequence from 1/T to 1, T its kept positions, and the
// targets weigh 1/(rate·T). Throws UserError naming a sequence that keeps nothing.
Batch masked(Batch batch, std::uint64_t seed, const Masking& masking);

}  // namespace kablate
