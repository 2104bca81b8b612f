#include "support/engine/mechanism_draws.h"

#include <map>
#include <stdexcept>

#include "base/text.h"
#include "config/mechanism.h"

namespace kablate {
namespace {

using Values = std::vector<std::string>;

// What neither a type nor being a weight says: numbers, at and beyond the ends of what acts differently.
const std::map<std::string, Values> kNumbers = {
    {"RA_MLA_RA_ALPHA", {"0", "0.2", "1.5"}},  // 0 is off
    {"RA_MLA_RA_WINDOW", {"0", "1", "3", "9", "64"}},
    {"RA_MLA_MLP_GATE_DIM", {"1", "3", "5"}},
    {"RA_MLA_MLP_CROSS_RANK", {"0", "1", "5", "11"}},
    {"RA_MLA_MLP_SPARSE_K", {"1", "2", "3", "8"}},
    {"RA_MLA_MLP_SPARSE_RMS_THRESHOLD", {"0", "0.5", "0.9", "1.3", "2.5"}},
    {"RA_MLA_MLP_LATENT_DIM", {"0", "2", "7"}},
};
const Values kWeights = {"0.1", "0.3", "0.75", "1.6", "-0.5"}, kYesOrNo = {"y", "n"};

Values values_of(const Mechanism& mechanism, const std::string& name) {
  if (const auto found = kNumbers.find(name); found != kNumbers.end()) return found->second;
  const Symbol* symbol = find_symbol(name);
  if (symbol == nullptr) throw std::logic_error(str(mechanism.name, ": there is no symbol ", name));
  if (symbol->type == SymbolType::kBool) return kYesOrNo;
  if (name == mechanism.weight_symbol) return kWeights;
  Values members;
  for (const auto& [value, selector] : symbol->members) members.push_back(value);
  if (members.empty())
    throw std::logic_error(str(name, " of the mechanism ", mechanism.name,
                               ": say in kNumbers of tests/support/engine/mechanism_draws.cpp which values "
                               "tests draw for it"));
  return members;
}

}  // namespace

Deltas draw_mechanisms(std::mt19937_64& random) {
  Deltas drawn;
  const auto draw = [&](const Mechanism& mechanism, const std::string& name) {
    const Values values = values_of(mechanism, name);
    drawn.emplace_back(name, values[random() % values.size()]);
  };
  for (const auto& mechanism : mechanisms()) {
    draw(mechanism, mechanism.on_symbol());
    if (!mechanism.by_weight()) draw(mechanism, mechanism.weight_symbol);
    for (const char* name : mechanism.symbols) draw(mechanism, name);
  }
  return drawn;
}

}  // namespace kablate
