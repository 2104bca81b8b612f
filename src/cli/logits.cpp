#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/load_model.h"
#include "cli/options.h"
#include "interchange/safetensors.h"

namespace kablate {
namespace {

struct LogitsOptions {
  ConfigOptions configuration;
  std::string weights, tokens, out;
};

std::vector<std::int64_t> read_ids(const std::string& line, const std::string& where,
                                   std::int64_t vocabulary) {
  constexpr std::size_t kShown = 40;  // of what may be a foreign file
  std::vector<std::int64_t> ids;
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    const auto id = parse_int(word);
    if (!id || *id < 0 || *id >= vocabulary)
      throw UserError(str(where, ": \"", word.substr(0, kShown), "\": allowed: token ids from 0 to ",
                          vocabulary - 1, " separated by blanks"));
    ids.push_back(*id);
  }
  return ids;
}

// [lines, T]: one sequence a line, all of one length.
at::Tensor read_tokens(const std::string& path, const Config& config) {
  std::vector<std::int64_t> all;
  std::int64_t lines = 0, length = 0, number = 0;
  const std::string text = read_text(path);
  if (text.find('\0') != std::string::npos)
    throw UserError(str(path, ": not a text file; expected token ids, one sequence a line"));
  for (const auto& line : split(text, '\n')) {
    const std::string where = str(path, ":", ++number);
    const auto ids = read_ids(line, where, config.gpt.vocabulary);
    if (ids.empty()) continue;
    const auto size = static_cast<std::int64_t>(ids.size());
    if (lines++ == 0) length = size;
    if (size != length)
      throw UserError(
          str(where, ": ", size, " ids, the first line has ", length, "; all lines must be of one length"));
    if (size > config.gpt.context && config.gpt.positions == Positions::kLearned)
      throw UserError(str(where, ": ", size, " ids; allowed: at most GPT2_BLOCK_SIZE = ", config.gpt.context,
                          " with POSITIONS = learned"));
    all.insert(all.end(), ids.begin(), ids.end());
  }
  if (lines == 0)
    throw UserError(str(path, ": no token ids; expected one sequence a line, separated by blanks"));
  return at::tensor(all, at::kLong).view({lines, length});
}

int write_logits(const LogitsOptions& options) {
  const Config config =
      options.configuration.model_config("logits", {"RA_MLA_ALLOW_NONCAUSAL", "DEVICE", "KERNELS"});
  const LoadedModel loaded = load_model(config, options.weights);
  const at::Tensor tokens = read_tokens(options.tokens, loaded.config);
  check_writable(options.out);
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> rows;  // line by line: the file may hold more than fits in memory at once
  for (std::int64_t line = 0; line < tokens.size(0); ++line)
    rows.push_back(loaded.model->logits(tokens.narrow(0, line, 1).to(loaded.device)).cpu());
  write_safetensors(options.out, {{"logits", at::cat(rows).to(at::kFloat)}});
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
  command->add_option("--out", options->out, "Gets the tensor `logits` [lines, T, V]")
      ->type_name("OUT.safetensors")
      ->required();
  command->callback([options, &action] { action = [options] { return write_logits(*options); }; });
}

}  // namespace kablate
