#include "record/knockout_record.h"

#include "base/file.h"
#include "record/later_file.h"
#include "record/optional_json.h"
#include "record/seal.h"

namespace kablate {
namespace {

std::optional<double> number_or_none(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(json.get<double>());
}

KnockoutRecord record_from_json(const Json& json) {
  KnockoutRecord record{json.at("val_loss"), json.at("windows"), {}, json.at("weights_sha256")};
  for (const auto& row : json.at("rows"))
    record.rows.push_back({row.at("mechanism"), row.at("scale"), row.at("val_loss"), row.at("change"),
                           number_or_none(row.at("change_ci_low")),
                           number_or_none(row.at("change_ci_high"))});
  return record;
}

}  // namespace

void write_knockout(const TrialFolder& folder, const KnockoutRecord& record) {
  Json rows = Json::array();
  for (const auto& row : record.rows)
    rows.push_back({{"mechanism", row.mechanism},
                    {"scale", row.scale},
                    {"val_loss", row.val_loss},
                    {"change", row.change},
                    {"change_ci_low", value_or_null(row.low)},
                    {"change_ci_high", value_or_null(row.high)}});
  write_file(folder.knockout(), sealed_text({{"val_loss", record.val_loss},
                                             {"windows", record.windows},
                                             {"rows", rows},
                                             {"weights_sha256", record.weights_sha256}}));
}

std::optional<KnockoutRecord> read_knockout(const TrialFolder& folder, const std::string& weights_sha256,
                                            std::string* problem) {
  return read_later_file(folder.knockout(), weights_sha256, "knockout", problem, record_from_json);
}

}  // namespace kablate
