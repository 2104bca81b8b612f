// The one file that includes the generated header.
#include <autoconf.h>

#include "base/text.h"
#include "config/settings.h"

namespace kablate {
namespace {

Symbol make_symbol(const char* name, SymbolType type, const char* value, const char* default_value,
                   std::int64_t least, std::int64_t most, std::string_view members) {
  Symbol symbol{name, type, value, default_value, least, most, {}};
  if (members.empty()) return symbol;
  for (const auto& member : split(members, '|')) {
    const auto equals = member.find('=');
    symbol.members.emplace_back(member.substr(0, equals), member.substr(equals + 1));
  }
  return symbol;
}

}  // namespace

const std::vector<Symbol>& symbols() {
#define KABLATE_ROW(name, type, value, default_value, least, most, members) \
  make_symbol(#name, SymbolType::type, value, default_value, least, most, members),
  static const std::vector<Symbol> table{KABLATE_SYMBOLS(KABLATE_ROW)};
#undef KABLATE_ROW
  return table;
}

const Symbol* find_symbol(std::string_view name) {
  for (const auto& symbol : symbols())
    if (symbol.name == name) return &symbol;
  return nullptr;
}

}  // namespace kablate
