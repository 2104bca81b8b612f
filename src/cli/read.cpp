#include <cstdio>

#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "config/settings.h"

namespace kablate {
namespace {

// {"values": {SYMBOL: text}} of one configuration file, or {"error": message}.
Json read_file(const std::string& path) {
  try {
    const Settings settings = Settings::from_file(path);
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
