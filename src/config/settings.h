// From text to Config and back. One parser takes the values baked into the binary, --config files, a plan's
// deltas and --set alike, with the types, ranges and members of the menu (design, decision 1).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kablate {

struct Config;

enum class SymbolType { kBool, kInt, kString, kChoice };

// A row of the generated header.
struct Symbol {
  std::string name;
  SymbolType type;
  std::string value;                 // baked into this binary
  std::string default_value;         // the menu's
  std::int64_t least = 0, most = 0;  // kInt
  std::vector<std::pair<std::string, std::string>>
      members;  // kChoice: value, and the menu symbol that selects it
};

// All symbols in the menu's order.
const std::vector<Symbol>& symbols();
const Symbol* find_symbol(std::string_view name);  // null if there is none

// The message about names that are no symbols, each with where it stands ("plan.yaml:7"): what they may have
// meant. REQUIRES: there is one.
std::string unknown_symbols(const std::vector<std::pair<std::string, std::string>>& names);

// Text values of all symbols, each with its origin ("--set", "plan.yaml:7") for messages.
class Settings {
 public:
  static Settings defaults();  // the menu's
  static Settings baked();     // the configuration that this binary was built with

  // The menu's defaults, changed by the lines of a .config or defconfig file. Strict: whatever Kconfig would
  // drop, reword or fall back on is a UserError with file and line.
  static Settings from_file(const std::filesystem::path& path);

  // Sets one symbol (named without CONFIG_) to `text`: y or n, a whole number, a string without quotes, a
  // choice's value. Throws UserError starting with `origin` if there is no such symbol, it can't have this
  // value, or two options of a command line (their origins begin with --) give it different ones.
  void set(std::string_view name, std::string_view text, std::string_view origin);

  // Replaces a value by what it stands for, which has its origin: 0, as many as needed, by their number.
  void settle(std::string_view name, std::string_view text);

  // set() from "NAME=VALUE".
  void set_assignment(std::string_view assignment, std::string_view origin);

  const std::string& text(std::string_view name) const { return entries_.find(name)->second.text; }
  const std::string& origin(std::string_view name) const { return entries_.find(name)->second.origin; }

  Config bind() const;  // typed; throws UserError if a real number is not one or out of its bounds

 private:
  struct Entry {
    std::string text, origin;
  };
  std::map<std::string, Entry, std::less<>> entries_;
};

// Whether a field can change a trial's numbers and so belongs to its key, or only says what runs, where, how
// reported.
enum class Scope { kNumbers, kHarness };

// One symbol's typed value in its one canonical spelling ("0.10" and "1e-1" are both "0.1").
struct FieldValue {
  std::string symbol, text;
  SymbolType type;
  Scope scope;
};
std::vector<FieldValue> field_values(const Config& config);

// Whether a symbol is a whole number or, in a string, a list of them, one for each layer.
bool is_list_of_whole_numbers(std::string_view symbol);

// `config` with the value that `other` has of one symbol.
Config with_value_of(Config config, const Config& other, const std::string& symbol);

// The two spellings of a configuration as a file: every symbol, or only those that differ from the menu's
// default. Both can be read by Settings::from_file; the minimal one selects a choice's member, as
// savedefconfig does.
std::string full_dotconfig(const Config& config);
std::string minimal_defconfig(const Config& config);

}  // namespace kablate
