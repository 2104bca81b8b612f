// Configurations written as .config and defconfig files.
#include <map>

#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"

namespace kablate {
namespace {

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

std::string config_line(const Symbol& symbol, const std::string& text) {
  if (symbol.type == SymbolType::kBool && text == "n") return str("# CONFIG_", symbol.name, " is not set\n");
  const bool quotes = symbol.type == SymbolType::kString || symbol.type == SymbolType::kChoice;
  return str("CONFIG_", symbol.name, "=", quotes ? quoted(text) : text, "\n");
}

}  // namespace

std::string full_dotconfig(const Config& config) {
  std::map<std::string, std::string> text;
  for (const auto& field : field_values(config)) text[field.symbol] = field.text;
  std::string file;
  for (const auto& symbol : symbols()) file += config_line(symbol, text.at(symbol.name));
  return file;
}

std::string minimal_defconfig(const Config& config) {
  // Defaults go through the same spelling: "6e-4" in the menu and 0.0006 here are one value.
  std::map<std::string, std::string> text, standard;
  for (const auto& field : field_values(config)) text[field.symbol] = field.text;
  for (const auto& field : field_values(Settings::defaults().bind())) standard[field.symbol] = field.text;
  std::string file;
  for (const auto& symbol : symbols()) {
    const auto& value = text.at(symbol.name);
    if (value == standard.at(symbol.name)) continue;
    if (symbol.type != SymbolType::kChoice) file += config_line(symbol, value);
    for (const auto& [name, member] : symbol.members)
      if (name == value) file += str("CONFIG_", member, "=y\n");
  }
  return file;
}

}  // namespace kablate
