// The table of mechanisms: what can be switched on in a model beside its plain parts, a line each. Whatever
// goes over all mechanisms reads this table: names of arms, checks, unused symbols, gates, dead twins,
// knock-outs. A mechanism's entry stands in its own file, config/mechanism/NAME.cpp; mechanism.cpp lists
// them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace kablate {

// One of several ways in which a mechanism acts, where another could hide that this one is dead.
struct MechanismPath {
  std::string title;
  Config config;                    // in which this way alone is left
  std::vector<std::string> zeroed;  // parameters that must be 0 for that
};

struct Mechanism {
  const char* name;                  // in arms' names and on the command line: "gate"
  const char* title;                 // in sentences: "MLP-to-attention gate"
  const char* part;                  // of its parameters in `plan` (shape/parameter.h); "" where it has none
  const char* switch_symbol;         // a bool of the menu; "" where a weight of 0 switches it off
  const char* weight_symbol;         // its mixing weight: at 0 the model computes what it computes without it
  bool reciprocal;                   // one of the ladder's three, which "all" stands for in an arm's name
  bool in_mlp;                       // acts on an MLP's hidden values: a model without MLPs can't have it
  std::vector<const char*> symbols;  // its other symbols: nothing reads them, nor the weight, while it is off

  bool (*on)(const Config& config);  // asked for; unmet() says whether it can be
  void (*switch_off)(Config& config);
  double& (*weight)(Config& config);

  // What the mechanism needs of the rest of the model and lacks there, as a message; "" if nothing. Asked
  // where it is on, in a model with attention and MLPs.
  std::string (*unmet)(const Config& config);

  // Those of `symbols` that nothing reads although the mechanism is on.
  std::vector<const char*> (*unread)(const Config& config);

  // Why it lets a token see its future, and what would not, as a message; "" if it does not. Null: never.
  std::string (*sees_future)(const Config& config);

  // Whether it selects, so that a rounding can change a number by more than rounding; null: never.
  bool (*selects)(const Config& config);

  // Lets its gradient flow everywhere, where an option cuts it off; null where none does.
  void (*attach)(Config& config);

  // Makes widths of its own at most `most`, for a gate's small model; null where it has none.
  void (*narrow)(Config& config, std::int64_t most);

  // Its name where only a part of it can act; null where it always acts whole.
  std::string (*partial_name)(const Config& config);

  // Its ways, each alone, where it has several; null where it has one.
  std::vector<MechanismPath> (*paths)(const Config& config);

  bool by_weight() const { return *switch_symbol == '\0'; }
  const char* on_symbol() const { return by_weight() ? weight_symbol : switch_symbol; }
};

// In the order of arms' names.
const std::vector<Mechanism>& mechanisms();
const Mechanism* find_mechanism(std::string_view name);  // null if there is none

std::vector<const Mechanism*> mechanisms_on(const Config& config);
std::string why_future_is_seen(const Config& config);  // by a mechanism that is on; "" if it is not
bool selects(const Config& config);        // some mechanism that is on does, or a router of its experts
Config without_mechanisms(Config config);  // all of them off
Config without_mechanism(Config config, const Mechanism& mechanism);  // this one

}  // namespace kablate
