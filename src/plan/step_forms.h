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
  void read_each(const YAML::Node& list);
  void read_all_but(const YAML::Node& list);

  // Throws for all symbols so far that there are not, if there are any.
  void refuse_unknown() const;

  std::int64_t next_number() const;

 private:
  Delta delta(const std::string& symbol, const std::string& value, const YAML::Node& node);
  Delta delta(const std::string& symbol, const YAML::Node& node);
  void add_factor(const YAML::Node& node);
  std::vector<Delta> grid_axis(const std::string& symbol, const YAML::Node& values);

  // A member of `each` or `all_but`: what it is, and what its switches are where it is not.
  struct Item {
    YAML::Node node;
    std::vector<Delta> on, off;
  };
  Item item(const YAML::Node& node, const std::string& what);
  std::vector<Item> items(const YAML::Node& list, const std::string& what);
  void refuse_clash(const Item& item, const Item& earlier, const std::string& what, bool together) const;
  void add_step(const YAML::Node& node, const std::vector<Item>& items,
                const std::vector<const Item*>& chosen);

  const YamlReader& yaml_;
  PlanFile& file_;
  std::vector<std::pair<std::string, std::string>> unknown_;  // symbols with where they stand
};

}  // namespace kablate
