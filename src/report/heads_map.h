// What the heads of one model do, as maps of layers × heads for a terminal.
#pragma once

#include <cstddef>
#include <string>

#include "record/heads_record.h"

namespace kablate {

// A map each of induction, previous, duplicate and copying, and of the entropy, a row a layer: each cell its
// number and a shade, with `colour` on a coloured ground too. Heads that a line of `width` has no room for
// follow below. Then the strongest heads, and the losses, in words.
std::string heads_map(const HeadsRecord& record, std::size_t width, bool colour);

// "layer 2 head 5 (.87)", or "" for none.
std::string head_text(const HeadScores* head, double HeadScores::*score);

// .87, 1.00, -.12
std::string score_text(double score);

}  // namespace kablate
