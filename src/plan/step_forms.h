// The parts of a plan file that make its steps. Each adds them to the file's, with numbers of their own; what
// they mean stands in plan_file.h.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "plan/plan_file.h"
#include "plan/yaml_reader.h"

namespace kablate {

// Both arguments must outlive it. All throw UserError with file and line, unknown symbols apart.
class StepForms {
 public:
  StepForms(const YamlReader& yaml, PlanFile& file) : yaml_(yaml), file_(file) {}

  void read_steps(const YAML::Node& node);
  void read_factorial(const YAML::Node& node);
  void read_grid(const YAML::Node& grid);
  void read_path(const YAML::Node& path);

  // Throws for all symbols so far that there are not, if there are any.
  void refuse_unknown() const;

  std::int64_t next_number() const;

 private:
  Delta delta(const std::string& symbol, const std::string& value, const YAML::Node& node);
  Delta delta(const std::string& symbol, const YAML::Node& node);
  void add_factor(const YAML::Node& node);
  std::vector<Delta> grid_axis(const std::string& symbol, const YAML::Node& values);

  const YamlReader& yaml_;
  PlanFile& file_;
  std::vector<std::pair<std::string, std::string>> unknown_;  // symbols with where they stand
};

}  // namespace kablate
