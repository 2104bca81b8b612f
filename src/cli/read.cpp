#include <cstdio>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "config/config.h"
#include "config/settings.h"

namespace kablate {
namespace {

// What is no number or list although it must be: make's reader says it too (scripts/kconfig_texts.py).
void check_texts(const Settings& settings) {
  settings.bind();
  const auto check_list = [&](const char* symbol, std::int64_t least) {
    parse_list(settings.text(symbol), str(settings.origin(symbol), ": ", symbol), least);
  };
  check_list("SEEDS", 1);
  if (settings.text("RA_MLA_ABLATION_MODE") == "y" && !trim(settings.text("RA_MLA_ABLATION_STEPS")).empty())
    check_list("RA_MLA_ABLATION_STEPS", 0);
}

// {"values": {SYMBOL: text}} of one configuration file, or {"error": message}.
Json read_file(const std::string& path) {
  try {
    const Settings settings = Settings::from_file(path);
    check_texts(settings);
    Json values = Json::object();
    for (const auto& symbol : symbols()) values[symbol.name] = settings.text(symbol.name);
    return {{"values", values}};
  } catch (const UserError& fault) {
    return {{"error", fault.what()}};
  }
}

}  // namespace

void add_read_command(CLI::App& app, Action& action) {
  const auto files = std::make_shared<std::vector<std::string>>();
  auto* command = app.add_subcommand("read", "What configuration files say: a line of JSON each")->group("");
  command->add_option("FILE", *files, ".config or defconfig files")->required();
  command->callback([files, &action] {
    action = [files] {
      for (const auto& file : *files) std::printf("%s\n", read_file(file).dump().c_str());
      return kExitDone;
    };
  });
}

}  // namespace kablate
