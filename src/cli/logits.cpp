#include <algorithm>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/load_model.h"
#include "cli/options.h"
#include "cli/token_lines.h"
#include "interchange/safetensors.h"

namespace kablate {
namespace {

struct LogitsOptions {
  ConfigOptions configuration;
  std::string weights, tokens, keep, out;
};

// [lines, T] bool: which of these tokens are no padding. Undefined without a file: all.
at::Tensor read_keep(const std::string& path, const at::Tensor& tokens) {
  if (path.empty()) return {};
  const auto B = tokens.size(0), T = tokens.size(1);
  const auto lines = read_number_lines(path, {"numbers", "1 (keep) and 0 (padding)", 1});
  for (std::int64_t b = 0; b < std::ssize(lines); ++b) {
    const auto& [where, keep] = lines[static_cast<std::size_t>(b)];
    if (b == B) throw UserError(str(where, ": a line too many; --tokens has ", B, ", one for each sequence"));
    if (std::ssize(keep) != T)
      throw UserError(str(where, ": ", keep.size(), " numbers, the sequences of --tokens have ", T, " ids"));
    if (std::find(keep.begin(), keep.end(), 1) == keep.end())
      throw UserError(
          str(where,
              ": a sequence without a 1: nothing of it would be read; keep a position, or leave the "
              "sequence out of both files"));
  }
  if (std::ssize(lines) < B)
    throw UserError(str(lines.back().where, ": is the last of ", lines.size(), " lines; --tokens has ", B,
                        " sequences, and each needs one"));
  return rows_of(lines).to(at::kBool);
}

int write_logits(const LogitsOptions& options) {
  const Config config =
      options.configuration.model_config("logits", {"RA_MLA_ALLOW_NONCAUSAL", "DEVICE", "KERNELS"});
  const LoadedModel loaded = load_model(config, options.weights);
  const at::Tensor tokens = rows_of(read_token_lines(options.tokens, loaded.config));
  const at::Tensor keep = read_keep(options.keep, tokens);
  check_writable(options.out);
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> rows, critic;  // line by line: the file may hold more than fits in memory at once
  const auto row = [&](const at::Tensor& all, std::int64_t line) {
    return all.defined() ? all.narrow(0, line, 1).to(loaded.device) : all;
  };
  for (std::int64_t line = 0; line < tokens.size(0); ++line) {
    const Head head = loaded.model->head(row(tokens, line), Dropout(), row(keep, line));
    rows.push_back(head.logits().cpu());
    if (config.objective.critic) critic.push_back(loaded.model->critic(head.values_BTE).cpu());
  }
  NamedTensors written{{"logits", at::cat(rows).to(at::kFloat)}};
  if (!critic.empty()) written["critic"] = at::cat(critic).to(at::kFloat);
  write_safetensors(options.out, written);
  return kExitDone;
}

}  // namespace

void add_logits_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<LogitsOptions>();
  auto* command =
      app.add_subcommand("logits", "Write the logits of given weights for given tokens, in float32");
  options->configuration.add_to(*command);
  command
      ->add_option("--weights", options->weights, "Weights with the names of this configuration's parameters")
      ->type_name("W.safetensors")
      ->required();
  command->add_option("--tokens", options->tokens, "One sequence of token ids a line")
      ->type_name("IDS.txt")
      ->required();
  command
      ->add_option("--keep", options->keep,
                   "For each of these ids 1, or 0 for padding, which no position reads; all 1 if not given")
      ->type_name("FILE")
      ->check(not_empty());
  command
      ->add_option("--out", options->out,
                   "Gets the tensor `logits` [lines, T, V]; of a critic `critic` [lines, T] too")
      ->type_name("OUT.safetensors")
      ->required();
  command->callback([options, &action] { action = [options] { return write_logits(*options); }; });
}

}  // namespace kablate
