// A CSV text (RFC 4180; lines may end in \n), record by record.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kablate {

struct CsvRecord {
  std::int64_t line = 1;            // where it begins, from 1
  std::vector<std::string> fields;  // without their quotes
};

struct CsvText {
  std::vector<CsvRecord> records;  // blank lines are none
  // The line of what no program writes, 0 if there is nothing such: a quote that is not closed, or one that
  // stands within a field or is followed by more of it. Fields are then a guess.
  std::int64_t bad_quote = 0;
};

CsvText read_csv(std::string_view text);

}  // namespace kablate
