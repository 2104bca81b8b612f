// Routing rows, what mechanism 2 takes from the attention of its layer (spec, section 3).
#pragma once

#include <cstdint>
#include <functional>

#include "model/dims.h"

namespace kablate {

// Which rows an attention makes beside the values.
struct RowsRequest {
  bool wanted = false;
  bool by_head = false;   // P of every head, not their mean
  std::int64_t most = 0;  // of each row of the mean the k largest entries; 0: all
};

// Gets P of every head of a layer, as AttentionRows::by_head_BHTT, where somebody looks at a model's heads.
using RowsObserver = std::function<void(std::int64_t layer, const Tensor& by_head_BHTT)>;

// In the form that was made, which may hold more than was asked for.
struct AttentionRows {
  Tensor by_head_BHTT;              // P before dropout, float32 (float64 in a float64 pass)
  Tensor mean_BTT;                  // their mean over heads
  Tensor largest_BTk, columns_BTk;  // of each row of the mean the largest, in order, and their columns, -1
                                    // behind the last of a row that has fewer
};

}  // namespace kablate
