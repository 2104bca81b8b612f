// Sections 1 to 3 of the specification as plain loops in double precision: slow, without LibTorch, and
// without anything from src/model. The model's numbers are held against these. One sequence at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "config/config.h"
#include "support/engine/reference_math.h"

namespace kablate::reference {

using Weights = std::map<std::string, Weight>;  // by checkpoint name (spec, section 5)

// What mechanism 2 and the routers of experts did in one sequence. Selection is discontinuous and a detached
// row is no variable, so a derivative is taken with these held fixed.
struct Routing {
  // [block][head, or one for all][T][T]
  std::vector<std::vector<Matrix>> kept;  // 1 where a weight was kept, else 0
  std::vector<std::vector<Matrix>> rows;  // R, as u is routed by it
  // [block][T][TOP] of the experts, the more probable first, and [block][T][n] p of all; empty where there
  // are none.
  std::vector<std::vector<std::vector<std::size_t>>> chosen;
  std::vector<Matrix> p;
  // Over all rows and choices, the least relative distance from the boundary of the selection.
  double margin = std::numeric_limits<double>::infinity();
};

// What the attention and the mechanisms of a block made and added in one sequence; empty where off.
struct Trace {
  std::vector<Matrix> weights;  // [head][T][T]: P before dropout
  Matrix gate;                  // [T][H], for the block above
  Matrix keys, key_addition;    // [T][L]: c_k before α_recip·context, and that
  Matrix u, enrichment, u_enriched,
      cross;  // [T][F]: u before α_recip·enrich, that, u before α_cross·cross, that
};

struct Output {
  Matrix logits;  // [T][V]
  Matrix critic;  // [T][1], where there is one
  Routing routing;
  std::vector<Trace> traces;  // by block
};

// The factor of one element at a dropout site: 0, or 1/(1-p). Sites are "embedding" [T, E], and of each block
// "transformer.h.0.attn.weights" [H, T, T], "transformer.h.0.attn" [T, E] and "transformer.h.0.mlp" [T, E].
using Drop = std::function<double(const std::string& site, std::size_t element)>;

struct Options {
  const Routing* held = nullptr;  // the selection to use, and the rows where RA_MLA_MLP_CROSS_DETACH is y
  Drop drop = nullptr;            // none: evaluation
  std::vector<bool> keep = {};    // of the tokens that are no padding; empty: all
};

Output forward(const Config& config, const Weights& weights, const std::vector<std::int64_t>& tokens,
               const Options& options = {});

}  // namespace kablate::reference
