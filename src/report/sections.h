// The tables of a report below its first one, each under a title with a line on what it shows: the same in
// report.md and report.html.
#pragma once

#include <string>
#include <vector>

#include "report/report.h"
#include "report/table.h"

namespace kablate {

struct Section {
  std::string id;  // "controls", "effects", "tests", "worth", "costs", "uses", "heads", "gates", "trials"
  std::string title, meaning;
  TextTable table;
};

// Those in which there is something to show, in the order of report.md.
std::vector<Section> report_sections(const Report& report);

std::string effects_title(const Report& report);  // REQUIRES: it has effects
std::string compared_with(const Report& report);  // what `change` is to: "step 0", "step 0, or to …"
constexpr const char* kTestsTitle = "How sure each difference is";
constexpr const char* kControlsTitle = "Against matched controls";
constexpr const char* kHeadsTitle = "Induction heads";
constexpr const char* kWithheld = "NO VERDICT OF THIS TABLE CAN BE BELIEVED: ";

// Without a column beside step and arm there is nothing to show.
bool tells_something(const TextTable& table);

}  // namespace kablate
