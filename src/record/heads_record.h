// heads.json of a finished trial: what `kablate heads` found each of its heads to do (later_file.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "record/layout.h"

namespace kablate {

// A head whose `induction` is above this is one that looks for what followed the same token before.
constexpr double kInductionHead = 0.4;

// Of one head; layers and heads count from 0. Means over sequences r r of two copies of N ids, and over the
// queries t of the second copy.
struct HeadScores {
  std::int64_t layer = 0, head = 0;
  double induction = 0;  // P[t, t-N+1]: to what followed the same id in the first copy
  double duplicate = 0;  // P[t, t-N]: to the same id
  double previous = 0;   // P[t, t-1], over all t >= 1
  double entropy = 0;    // of the row P[t], in nats
  double copying = 0;    // Σ Re λ / Σ |λ| of the head's OV map through embeddings and head, from -1 to 1
  bool operator==(const HeadScores&) const = default;
};

struct HeadsRecord {
  std::int64_t length = 0, sequences = 0;  // N, and how many of 2·N ids there were
  std::optional<std::int64_t> seed;        // of random ids; none where a file had them
  std::optional<std::int64_t> ids;         // how many different ids they were drawn from; likewise
  double first_loss = 0, second_loss = 0;  // mean over ids 1 … N-1 of the first copies, and of the second
  std::vector<HeadScores> heads;           // layer after layer
  std::string weights_sha256;              // of a trial's weights; "" of others
  bool operator==(const HeadsRecord&) const = default;

  double loss_difference() const { return second_loss - first_loss; }
  // The one with the most of a score, the first of equals; null without heads.
  const HeadScores* most(double HeadScores::*score) const;
  // On what it was found: "32 sequences of 2 x 64 ids, seed 1".
  std::string sequences_text() const;
};

Json heads_to_json(const HeadsRecord& record);
HeadsRecord heads_from_json(const Json& json);  // throws Json::exception or std::out_of_range

void write_heads(const TrialFolder& folder, const HeadsRecord& record);  // throws WorkError

// As read_later_file says.
std::optional<HeadsRecord> read_heads(const TrialFolder& folder, const std::string& weights_sha256,
                                      std::string* problem);

}  // namespace kablate
