// What make_report puts a report together from.
#pragma once

#include <string>
#include <vector>

#include "report/report.h"

namespace kablate {

// What every row says of its own trials; the comparisons are still empty.
ReportRow describe_row(const ExperimentRecord& experiment, const PlannedStep& step);

// Fills the differences, readings and verdicts of the rows, which stand in the order of the plan's steps.
// `notes` gets a line for each pair of trials that can't be compared with the baseline.
void compare_rows(const ExperimentRecord& experiment, std::vector<ReportRow>& rows,
                  std::vector<std::string>& notes);

// ReportRow::identical_to of a rerun (weights and whole loss log) or a dead twin (every weight that the
// baseline has, and all training, evaluation losses).
std::string identical_to(const ExperimentFolder& folder, const ExperimentRecord& experiment,
                         const PlannedStep& step);

// Over the seeds of which every cell is finished, if they are two or more and comparable.
std::vector<FactorialEffect> effects_of(const ExperimentRecord& experiment);

// Of the finished trials.
std::vector<MechanismUse> mechanism_uses(const ExperimentRecord& experiment);

// Of each step with experts a sentence on their loads at the end: the largest and the smallest of each layer.
std::vector<std::string> expert_notes(const ExperimentRecord& experiment);

// Likewise, of those whose heads were looked at.
std::vector<StepHeads> heads_of_steps(const ExperimentRecord& experiment);

// The notes that a whole report calls for, apart from compare_rows'.
std::vector<std::string> plan_notes(const ExperimentRecord& experiment);
std::vector<std::string> statistics_notes(const ExperimentFolder& folder, const ExperimentRecord& experiment,
                                          const Report& report);
std::vector<std::string> run_notes(const ExperimentRecord& experiment, const Report& report);

}  // namespace kablate
