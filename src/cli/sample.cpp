#include "generate/sample.h"

#include <cerrno>
#include <cstring>

#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/load_model.h"
#include "cli/options.h"
#include "data/dataset.h"
#include "measure/cores.h"
#include "measure/machine.h"
#include "record/done.h"
#include "record/reader.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

struct SampleCommand {
  ConfigOptions configuration;
  std::string run, weights;
  std::optional<std::string> prompt;  // not given: the data's first token, a line end in most texts
  std::string temperature = "1";
  std::int64_t top_k = 0, seed = 1, tokens = 256;
};

// A finished run brings its own configuration, weights and vocabulary.
struct Source {
  LoadedModel loaded;
  Tokenizer tokenizer;
};

// The work of a token is small: for a model that fits into a core's cache, waking other threads costs more
// than they give (17 times as much CPU time was measured, 8 wide on two busy cores).
void choose_threads(const Config& config) {
  constexpr std::int64_t kSmall = 1 << 20;  // parameters
  const std::int64_t threads = parameter_count(config) < kSmall ? 1 : available_cores();
  make_deterministic(config.run.threads > 0 ? config.run.threads : threads);
}

Source from_run(const SampleCommand& options) {
  const TrialFolder folder = existing_trial(options.run);
  if (!DoneList::read(folder))
    throw UserError(
        str("--run = ", options.run, ": the trial is not finished: it has no weights.safetensors yet"));
  const Config config = read_trial_config(folder).bind();
  check_file(folder, folder.weights());
  choose_threads(config);
  const Json json =
      Json::parse(read_checked(folder, folder.tokenizer()), nullptr, /*allow_exceptions=*/false);
  return {load_model(config, folder.weights().string()),
          Tokenizer::from_json(json, folder.tokenizer().string())};
}

Source from_weights(const SampleCommand& options) {
  const Config config = options.configuration.model_config(
      "sample", {"RA_MLA_ALLOW_NONCAUSAL", "DEVICE", "KERNELS", "THREADS", "DATASET", "DATA_PATH"});
  choose_threads(config);
  LoadedModel loaded = load_model(config, options.weights);
  return {std::move(loaded), open_dataset(config, data_folder())->tokenizer()};
}

// Text to standard output at once, past any buffer. False if its reader is gone (`| head`). Throws WorkError.
bool put(std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EPIPE) return false;
    if (written < 0) throw WorkError(str("standard output can't be written to (", std::strerror(errno), ")"));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

int print_sample(const SampleCommand& options) {
  const auto temperature = parse_real(options.temperature);
  if (!temperature || *temperature <= 0)
    throw UserError(
        str("--temperature = ", options.temperature, ": allowed: a number > 0; near 0 is greedy"));
  if (options.run.empty() == options.weights.empty())
    throw UserError(
        "kablate sample: give either --run TRIAL_DIR, or --weights W.safetensors with its configuration");
  const auto& [file, assignments] = options.configuration;
  if (!options.run.empty() && (!file.empty() || !assignments.empty()))
    throw UserError(str(file.empty() ? "--set " + assignments[0] : "--config " + file, " with --run = ",
                        options.run, ": a run brings its own configuration; leave one of the two out"));
  const Source source = options.run.empty() ? from_weights(options) : from_run(options);
  const auto& [loaded, tokenizer] = source;
  auto ids = tokenizer.ids();
  std::erase_if(ids, [&](auto id) { return id >= loaded.config.gpt.vocabulary; });
  if (ids.empty()) throw UserError("kablate sample: the model's vocabulary has no token of the data");
  const auto prompt =
      options.prompt ? tokenizer.encode(*options.prompt, "--prompt") : std::vector<std::int64_t>{ids.front()};
  if (prompt.empty()) throw UserError("--prompt = \"\": allowed: at least one token to begin with");
  if (!put(tokenizer.decode(prompt))) return kExitDone;
  sample_tokens(*loaded.model, prompt, loaded.config.gpt.context, loaded.device,
                {.tokens = options.tokens,
                 .temperature = *temperature,
                 .top_k = options.top_k,
                 .seed = static_cast<std::uint64_t>(options.seed),
                 .ids = std::move(ids)},
                [&](std::int64_t id) { return put(tokenizer.decode_next(id)); });
  put("\n");
  return kExitDone;
}

}  // namespace

void add_sample_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<SampleCommand>();
  auto* command = app.add_subcommand("sample", "Print text from a trained model");
  options->configuration.add_to(*command);
  command->add_option("--run", options->run, "A trial's folder")->type_name("TRIAL_DIR");
  command->add_option("--weights", options->weights, "Weights of the configuration given here")
      ->type_name("W.safetensors");
  command->add_option("--prompt", options->prompt, "What the text begins with; token ids for DATASET=bin")
      ->type_name("TEXT");
  command->add_option("--temperature", options->temperature, "> 0")
      ->capture_default_str()
      ->type_name("NUMBER");
  command->add_option("--top-k", options->top_k, "Draw from the k likeliest; 0 is all")
      ->capture_default_str()
      ->type_name("K")
      ->check(whole_number(0));
  command->add_option("--seed", options->seed, "Which sample")
      ->capture_default_str()
      ->type_name("N")
      ->check(whole_number(1));
  command->add_option("--tokens", options->tokens, "How many to add")
      ->capture_default_str()
      ->type_name("N")
      ->check(whole_number(1));
  command->callback([options, &action] { action = [options] { return print_sample(*options); }; });
}

}  // namespace kablate
