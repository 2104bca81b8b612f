#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <span>

#include <unistd.h>

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/load_model.h"
#include "cli/options.h"
#include "cli/stop_text.h"
#include "config/enum_names.h"
#include "data/dataset.h"
#include "data/utf8.h"
#include "generate/sample.h"
#include "generate/unmask.h"
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
  std::optional<std::string> prompt;  // not given: Tokenizer::first()
  std::string temperature = "1", top_p = "1", stop;
  std::int64_t top_k = 0, seed = 1, sequences = 1;
  std::optional<std::int64_t> tokens, steps;
  bool critic = false;
};

constexpr std::int64_t kTokens = 256;  // to add, where no number is given

// A finished run brings its own configuration, weights and vocabulary.
struct SampleSource {
  LoadedModel loaded;
  Tokenizer tokenizer;
};

// The work of a token is small: for a model that fits into a core's cache, waking other threads costs more
// than they give (17 times as much CPU time was measured, 8 wide on two busy cores).
void choose_sampling_threads(const Config& config) {
  constexpr std::int64_t kSmall = 1 << 20;  // parameters
  const std::int64_t threads = parameter_count(config) < kSmall ? 1 : available_cores();
  make_deterministic(config.run.threads > 0 ? config.run.threads : threads);
}

SampleSource source_of_run(const SampleCommand& options) {
  const TrialFolder folder = existing_trial(options.run);
  if (!DoneList::read(folder))
    throw UserError(
        str("--run = ", options.run, ": the trial is not finished: it has no weights.safetensors yet"));
  const Config config = read_trial_config(folder).bind();
  check_file(folder, folder.weights());
  choose_sampling_threads(config);
  const Json json =
      Json::parse(read_checked(folder, folder.tokenizer()), nullptr, /*allow_exceptions=*/false);
  return {load_model(config, folder.weights().string()),
          Tokenizer::from_json(json, folder.tokenizer().string())};
}

SampleSource source_of_weights(const SampleCommand& options) {
  const Config config = options.configuration.model_config(
      "sample",
      {"RA_MLA_ALLOW_NONCAUSAL", "DEVICE", "KERNELS", "THREADS", "DATASET", "TOKENIZER", "DATA_PATH"});
  choose_sampling_threads(config);
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

double positive(const char* option, const std::string& text, double most, const char* allowed) {
  const auto value = parse_real(text);
  if (!value || *value <= 0 || *value > most)
    throw UserError(str(option, " = ", text, ": allowed: ", allowed));
  return *value;
}

SampleOptions checked(const SampleCommand& command) {
  constexpr double kAny = std::numeric_limits<double>::max();
  SampleOptions options;
  options.tokens = command.tokens.value_or(kTokens), options.top_k = command.top_k;
  options.seed = static_cast<std::uint64_t>(command.seed);
  options.temperature =
      positive("--temperature", command.temperature, kAny, "a number > 0; near 0 is greedy");
  options.top_p = positive("--top-p", command.top_p, 1, "a number > 0 and <= 1; 1 is all");
  check_source(command.configuration, command.run, command.weights, "sample");
  return options;
}

// Text as it is drawn, without what may begin --stop until that is known.
void print_one(const SampleSource& source, const std::vector<std::int64_t>& prompt,
               const SampleOptions& options, const Stop& stop) {
  const auto& [loaded, tokenizer] = source;
  Utf8Mender mender;
  Drawn drawn(tokenizer, stop);
  std::size_t printed = 0;
  const auto print_to = [&](std::size_t end) {
    const auto text = std::string_view(drawn.text()).substr(printed, end - printed);
    printed = end;
    return put(mender.take(text));
  };
  bool reader = put(mender.take(tokenizer.bytes(prompt)));
  if (!reader) return;
  sample_tokens(*loaded.model, prompt, loaded.config.gpt.context, loaded.device, options,
                [&](std::int64_t id) {
                  drawn.add(id);
                  reader = print_to(drawn.settled());
                  return reader && !drawn.ended();
                });
  if (!reader) return;
  print_to(drawn.ended() ? drawn.settled() : drawn.text().size());
  put(mender.finish() + "\n");
}

// Of each text the prompt, and what follows up to what stops it.
void print_texts(const std::vector<std::vector<std::int64_t>>& texts, const std::vector<std::int64_t>& prompt,
                 const Tokenizer& tokenizer, const Stop& stop) {
  constexpr std::string_view kBetween = "\n---------------\n";  // as nanoGPT's sample.py
  std::string_view before;
  for (const auto& text : texts) {
    Drawn drawn(tokenizer, stop);
    for (auto i = prompt.size(); i < text.size() && !drawn.ended(); ++i) drawn.add(text[i]);
    Utf8Mender mender;
    const auto size = drawn.ended() ? drawn.settled() : drawn.text().size();
    const auto shown = mender.take(tokenizer.bytes(prompt) + drawn.text().substr(0, size));
    if (!put(str(before, shown, mender.finish()))) return;
    before = kBetween;
  }
  put("\n");
}

void print_many(const SampleSource& source, const std::vector<std::int64_t>& prompt, std::int64_t count,
                SampleOptions options, const Stop& stop) {
  const auto& [loaded, tokenizer] = source;
  if (!stop.text.empty())
    options.ended = [&, &tokenizer = tokenizer](std::span<const std::int64_t> ids) {
      return last_token_ends(ids, tokenizer, stop.text);
    };
  print_texts(
      sample_sequences(*loaded.model, prompt, count, loaded.config.gpt.context, loaded.device, options),
      prompt, tokenizer, stop);
}

// All places at once, in a few steps (generate/unmask.h).
void print_unmasked(const SampleSource& source, const std::vector<std::int64_t>& prompt, std::int64_t count,
                    const SampleOptions& options, const SampleCommand& command, const Stop& stop) {
  const auto& [loaded, tokenizer] = source;
  const auto P = std::ssize(prompt), T = P + options.tokens;
  Tensor tokens = at::zeros({count, T}, at::kLong), fill = at::ones({count, T}, at::kBool);
  for (std::int64_t t = 0; t < P; ++t)
    tokens.select(1, t).fill_(prompt[static_cast<std::size_t>(t)]), fill.select(1, t).fill_(false);
  const UnmaskOptions how{.steps = command.steps.value_or(UnmaskOptions().steps),
                          .by_critic = command.critic,
                          .temperature = options.temperature,
                          .top_k = options.top_k,
                          .top_p = options.top_p,
                          .seed = options.seed,
                          .ids = options.ids,
                          .mask_token = tokenizer.vocabulary()};
  const Tensor filled =
      unmask(*loaded.model, tokens.to(loaded.device), fill.to(loaded.device), {}, 0, how).cpu().contiguous();
  std::vector<std::vector<std::int64_t>> texts;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto* ids = filled.const_data_ptr<std::int64_t>() + i * T;
    texts.emplace_back(ids, ids + T);
  }
  print_texts(texts, prompt, tokenizer, stop);
}

// Of a model of masked tokens, which is filled in as a whole.
void check_masked(const SampleCommand& command, const SampleSource& source,
                  const std::vector<std::int64_t>& prompt, SampleOptions& options) {
  const Config& config = source.loaded.config;
  if (command.critic && !config.objective.critic)
    throw UserError("--critic: this model has none (CRITIC = n); leave --critic out");
  const std::int64_t room = config.gpt.context - std::ssize(prompt);
  if (room < 1)
    throw UserError(str("--prompt: ", prompt.size(), " tokens; allowed: fewer than GPT2_BLOCK_SIZE = ",
                        config.gpt.context, ", in which a model of masked tokens fills in the rest"));
  if (!command.tokens) options.tokens = std::min(kTokens, room);
  if (options.tokens > room)
    throw UserError(str("--tokens = ", options.tokens, ": allowed: at most ", room,
                        ", which with the prompt make GPT2_BLOCK_SIZE = ", config.gpt.context,
                        ": a model of masked tokens fills in one sequence"));
}

void check_causal(const SampleCommand& command) {
  for (const auto& [given, option] :
       {std::pair{command.critic, "--critic"}, std::pair{command.steps.has_value(), "--steps"}})
    if (given)
      throw UserError(str(option,
                          ": for models of masked tokens (OBJECTIVE = masked_token); this one says one "
                          "token after the other; leave it out"));
}

// Tokens that the data never had are as they were drawn before the training.
void warn_of_unseen(const std::vector<std::int64_t>& prompt, const Tokenizer& tokenizer,
                    const std::vector<std::int64_t>& seen) {
  const auto unseen = [&](auto id) { return !std::binary_search(seen.begin(), seen.end(), id); };
  const auto count = std::count_if(prompt.begin(), prompt.end(), unseen);
  if (!tokenizer.is_bpe() || count == 0) return;
  log_warning(str("--prompt: ", count, " of its ", prompt.size(),
                  " tokens never stood in the data, the first \"",
                  tokenizer.decode({*std::find_if(prompt.begin(), prompt.end(), unseen)}),
                  "\": the model has not learnt what they mean"));
}

int print_sample(const SampleCommand& command) {
  SampleOptions options = checked(command);
  const SampleSource source = command.run.empty() ? source_of_weights(command) : source_of_run(command);
  const auto& [loaded, tokenizer] = source;
  if (const auto& data = loaded.config.data; data.is_synthetic())
    throw UserError(str("DATASET = ", enum_name(data.dataset),
                        ": this model was trained to say labels, not what comes next; there is no text to "
                        "print. sample.txt has what it says of one sequence, `kablate eval` how often it is "
                        "right"));
  options.ids = tokenizer.ids();
  std::erase_if(options.ids, [&](auto id) { return id >= loaded.config.gpt.vocabulary; });
  if (options.ids.empty()) throw UserError("kablate sample: the model's vocabulary has no token of the data");
  const bool masked = loaded.config.objective.masked(),
             lines = loaded.config.data.dataset == DatasetKind::kLines;
  if (lines && !masked && !command.prompt)
    throw UserError(
        "--prompt is needed: this model was trained on lines (DATASET = lines), which begin with no token of "
        "their own; give the first characters");
  std::vector<std::int64_t> prompt;
  if (command.prompt)
    prompt = tokenizer.encode(*command.prompt, "--prompt");
  else if (!masked)
    prompt = {tokenizer.first()};
  if (prompt.empty() && !masked)
    throw UserError("--prompt = \"\": allowed: at least one token to begin with");
  warn_of_unseen(prompt, tokenizer, options.ids);
  if (masked)
    check_masked(command, source, prompt, options);
  else
    check_causal(command);
  const std::string end = lines && command.stop.empty() ? "\n" : command.stop;  // what follows it is no line
  const Stop stop = checked_stop(end, options.tokens, tokenizer, options.ids);
  options.stop = stop.ids;
  if (masked)
    print_unmasked(source, prompt, command.sequences, options, command, stop);
  else if (command.sequences == 1)
    print_one(source, prompt, options, stop);
  else
    print_many(source, prompt, command.sequences, options, stop);
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
  command
      ->add_option("--prompt", options->prompt,
                   "What the text begins with; token ids where the data have no vocabulary")
      ->type_name("TEXT");
  command->add_option("--temperature", options->temperature, "> 0")
      ->capture_default_str()
      ->type_name("NUMBER");
  command->add_option("--top-k", options->top_k, "Draw from the k likeliest; 0 is all")
      ->capture_default_str()
      ->type_name("K")
      ->check(whole_number(0));
  command
      ->add_option("--top-p", options->top_p,
                   "Draw from the likeliest that make up this probability; 1 is all")
      ->capture_default_str()
      ->type_name("NUMBER");
  command->add_option("--stop", options->stop, "End a text where this was drawn, and leave it out")
      ->type_name("TEXT")
      ->check(not_empty());
  command->add_option("--sequences", options->sequences, "How many texts, side by side")
      ->capture_default_str()
      ->type_name("N")
      ->check(whole_number(1));
  command->add_option("--seed", options->seed, "Which sample")
      ->capture_default_str()
      ->type_name("N")
      ->check(whole_number(1));
  command
      ->add_option("--tokens", options->tokens, "How many to add; 256, of masked tokens as fit, if not given")
      ->type_name("N")
      ->check(whole_number(1));
  command
      ->add_option("--steps", options->steps, "Of models of masked tokens: in how many steps to fill in; 12")
      ->type_name("N")
      ->check(whole_number(1));
  command->add_flag("--critic", options->critic,
                    "Of models of masked tokens: the critic says what is drawn again");
  command->callback([options, &action] { action = [options] { return print_sample(*options); }; });
}

}  // namespace kablate
