#include "record/heads_record.h"

#include <stdexcept>

#include "base/file.h"
#include "base/text.h"
#include "record/later_file.h"
#include "record/optional_json.h"
#include "record/seal.h"

namespace kablate {
namespace {

std::optional<std::int64_t> integer_or_none(const Json& json, const char* key) {
  const Json& value = json.at(key);
  return value.is_null() ? std::nullopt : std::optional(value.get<std::int64_t>());
}

}  // namespace

const HeadScores* HeadsRecord::most(double HeadScores::*score) const {
  const HeadScores* found = nullptr;
  for (const auto& head : heads)
    if (found == nullptr || head.*score > found->*score) found = &head;
  return found;
}

std::string HeadsRecord::sequences_text() const {
  return str(sequences, " sequences of 2 x ", length, " ids, ", seed ? str("seed ", *seed) : "of a file");
}

Json heads_to_json(const HeadsRecord& record) {
  Json heads = Json::array();
  for (const auto& head : record.heads)
    heads.push_back({{"layer", head.layer},
                     {"head", head.head},
                     {"induction", head.induction},
                     {"duplicate", head.duplicate},
                     {"previous", head.previous},
                     {"entropy", head.entropy},
                     {"copying", head.copying}});
  return {{"length", record.length},
          {"sequences", record.sequences},
          {"seed", value_or_null(record.seed)},
          {"ids", value_or_null(record.ids)},
          {"first_loss", record.first_loss},
          {"second_loss", record.second_loss},
          {"loss_difference", record.loss_difference()},
          {"heads", heads},
          {"weights_sha256", record.weights_sha256.empty() ? Json() : Json(record.weights_sha256)}};
}

HeadsRecord heads_from_json(const Json& json) {
  HeadsRecord record;
  record.length = json.at("length"), record.sequences = json.at("sequences");
  record.seed = integer_or_none(json, "seed"), record.ids = integer_or_none(json, "ids");
  record.first_loss = json.at("first_loss"), record.second_loss = json.at("second_loss");
  for (const auto& head : json.at("heads"))
    record.heads.push_back({head.at("layer"), head.at("head"), head.at("induction"), head.at("duplicate"),
                            head.at("previous"), head.at("entropy"), head.at("copying")});
  const Json& sum = json.at("weights_sha256");
  if (!sum.is_null()) record.weights_sha256 = sum;
  return record;
}

void write_heads(const TrialFolder& folder, const HeadsRecord& record) {
  write_file(folder.heads(), sealed_text(heads_to_json(record)));
}

std::optional<HeadsRecord> read_heads(const TrialFolder& folder, const std::string& weights_sha256,
                                      std::string* problem) {
  return read_later_file(folder.heads(), weights_sha256, "heads", problem, heads_from_json);
}

}  // namespace kablate
