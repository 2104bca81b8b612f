#include "generate/sample.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/load_model.h"
#include "cli/options.h"
#include "data/dataset.h"
#include "record/layout.h"

namespace kablate {
namespace {

struct SampleCommand {
  ConfigOptions configuration;
  std::string run, weights;
  std::optional<std::string> prompt;  // not given: token 0, a line end in most texts
  std::string temperature = "1";
  std::int64_t top_k = 0, seed = 1, tokens = 256;
};

// A finished run brings its own configuration, weights and vocabulary.
struct Source {
  LoadedModel loaded;
  Tokenizer tokenizer;
};

Source from_run(const SampleCommand& options) {
  const TrialFolder folder = existing_trial(options.run);
  const Config config = Settings::from_file(folder.config()).bind();
  if (!std::filesystem::exists(folder.weights()))
    throw UserError(str("--run = ", options.run, ": has no weights.safetensors; the trial is not finished"));
  const Json json = Json::parse(read_text(folder.tokenizer()), nullptr, /*allow_exceptions=*/false);
  return {load_model(config, folder.weights().string()),
          Tokenizer::from_json(json, folder.tokenizer().string())};
}

Source from_weights(const SampleCommand& options) {
  LoadedModel loaded = load_model(options.configuration, options.weights);
  return {std::move(loaded), open_dataset(options.configuration.config(), data_folder())->tokenizer()};
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
  const auto prompt =
      options.prompt ? source.tokenizer.encode(*options.prompt, "--prompt") : std::vector<std::int64_t>{0};
  if (prompt.empty()) throw UserError("--prompt = \"\": allowed: at least one token to begin with");
  const auto tokens = sample_tokens(
      *source.loaded.model, prompt, source.loaded.config.gpt.context, source.loaded.device,
      {.tokens = options.tokens,
       .temperature = *temperature,
       .top_k = options.top_k,
       .seed = static_cast<std::uint64_t>(options.seed),
       .vocabulary = std::min(source.tokenizer.vocabulary(), source.loaded.config.gpt.vocabulary)});
  std::printf("%s\n", source.tokenizer.decode(tokens).c_str());
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
