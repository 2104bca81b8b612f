// The numbers of metrics.jsonl under the names by which programs that draw curves group them: loss/train and
// loss/val in one group, a mechanism's measure with a curve a block.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "record/metrics_row.h"

namespace kablate {

struct Scalar {
  std::string name;
  double value = 0;
  bool operator==(const Scalar&) const = default;
};

// One row. Numbers that do not exist are left out.
//   of a TRAIN row       loss/train, grad_norm, learning_rate, sparsity, TERM/train,
//                        optimizer/{clipped_elements, spikes, resets},
//                        speed/{ms, tokens_per_s, mfu, mfu_nanogpt, tokens_per_s_rank, communication_share}
//   of an EVAL row       loss/train_eval (the training split's windows), loss/val,
//                        TERM/train_eval, TERM/val
//   of a MECHANISMS row  MEASURE/block0 …
struct ScalarRow {
  std::int64_t iteration = 0;
  double seconds = 0;  // that training had taken by then, without evaluations and start-up
  std::vector<Scalar> scalars;
  bool operator==(const ScalarRow&) const = default;
};

// A row each, in their order.
std::vector<ScalarRow> scalar_rows(const std::vector<MetricsRow>& rows);

}  // namespace kablate
