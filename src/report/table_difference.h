// Two texts of report.csv, cell against cell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kablate {

// The records of a CSV text (RFC 4180; lines may end in \n): fields without their quotes.
std::vector<std::vector<std::string>> csv_records(std::string_view text);

// Where `stored` is not `recomputed`, a phrase each: a column or a step that only one has, or
// "step 2: val_loss_mean 2.25 stored, 2.5 recomputed". Empty only for equal texts.
std::vector<std::string> table_differences(std::string_view stored, std::string_view recomputed);

}  // namespace kablate
