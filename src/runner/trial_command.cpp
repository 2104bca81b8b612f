#include "runner/trial_command.h"

#include <map>

#include "base/error.h"
#include "base/text.h"

namespace kablate {

std::vector<std::string> trial_arguments(const TrialFolder& folder, const TrialOrder& order) {
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  return {"trial",     folder.path().string(),
          "--step",    number(order.step),
          "--seed",    number(order.seed),
          "--rerun",   number(order.rerun_index),
          "--name",    order.name,
          "--key",     order.key,
          "--threads", number(order.threads),
          "--beside",  number(order.beside),
          "--peak",    shortest(order.peak_flops),
          "--data",    order.data_folder.string()};
}

TrialOrder parse_trial_arguments(const std::vector<std::string>& arguments, std::string& folder) {
  if (arguments.size() % 2 != 1)
    throw UserError("kablate trial: is started by `kablate run`, with a folder and its options");
  folder = arguments[0];
  std::map<std::string, std::string> values;
  for (std::size_t i = 1; i + 1 < arguments.size(); i += 2) values[arguments[i]] = arguments[i + 1];
  const auto text = [&](const char* option) {
    const auto found = values.find(option);
    if (found == values.end())
      throw UserError(str("kablate trial: ", option, " is missing; trials are started by `kablate run`"));
    return found->second;
  };
  const auto number = [&](const char* option) {
    const auto value = parse_int(text(option));
    if (!value)
      throw UserError(str("kablate trial: ", option, " = \"", text(option), "\": allowed: a whole number"));
    return *value;
  };
  return {.step = number("--step"),
          .seed = number("--seed"),
          .rerun_index = number("--rerun"),
          .name = text("--name"),
          .key = text("--key"),
          .threads = number("--threads"),
          .beside = number("--beside"),
          .peak_flops = parse_real(text("--peak")).value_or(0),
          .data_folder = text("--data"),
          .source_folder = {},
          .build = {}};
}

}  // namespace kablate
