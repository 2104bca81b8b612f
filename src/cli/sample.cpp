#include "generate/sample.h"

#include <algorithm>
#include <bitset>
#include <cerrno>
#include <cstring>
#include <limits>
#include <span>

#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/load_model.h"
#include "cli/options.h"
#include "data/dataset.h"
#include "data/utf8.h"
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
  std::int64_t top_k = 0, seed = 1, tokens = 256, sequences = 1;
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
      "sample",
      {"RA_MLA_ALLOW_NONCAUSAL", "DEVICE", "KERNELS", "THREADS", "DATASET", "TOKENIZER", "DATA_PATH"});
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

double positive(const char* option, const std::string& text, double most, const char* allowed) {
  const auto value = parse_real(text);
  if (!value || *value <= 0 || *value > most)
    throw UserError(str(option, " = ", text, ": allowed: ", allowed));
  return *value;
}

// What ends a text: tokens where each is a character or a number; of byte pairs, which may cut it anywhere,
// text.
struct Stop {
  std::vector<std::int64_t> ids;
  std::string text;
};

// Of byte pairs: whether every byte of it stands in a token that may be drawn, and it is not too long for
// all.
void check_stop_text(const SampleCommand& options, const Tokenizer& tokenizer,
                     const std::vector<std::int64_t>& drawable) {
  std::bitset<256> held;
  std::size_t longest = 0;
  for (const auto id : drawable) {
    const auto bytes = tokenizer.decode_next(id);
    for (const char byte : bytes) held.set(static_cast<unsigned char>(byte));
    longest = std::max(longest, bytes.size());
  }
  const std::string given = "--stop = " + options.stop;
  for (const char byte : options.stop)
    if (!held.test(static_cast<unsigned char>(byte)))
      throw UserError(str(given, ": no token that may be drawn has its byte ",
                          static_cast<int>(static_cast<unsigned char>(byte)),
                          ", since the data or the model lacks it; leave --stop out, or give another text"));
  if (options.stop.size() > longest * static_cast<std::size_t>(options.tokens))
    throw UserError(str(given, ": ", options.stop.size(), " bytes, but --tokens = ", options.tokens,
                        " tokens have no more than ", longest * static_cast<std::size_t>(options.tokens),
                        "; give a shorter text, or more tokens"));
}

// Throws UserError where no text could ever hold it.
Stop checked_stop(const SampleCommand& options, const Tokenizer& tokenizer,
                  const std::vector<std::int64_t>& drawable) {
  if (options.stop.empty()) return {};
  const auto stop = tokenizer.encode(options.stop, "--stop");  // of byte pairs: that it is text
  if (tokenizer.is_bpe()) {
    check_stop_text(options, tokenizer, drawable);
    return {.ids = {}, .text = options.stop};
  }
  const auto unseen = std::find_if(stop.begin(), stop.end(), [&](auto id) {
    return !std::binary_search(drawable.begin(), drawable.end(), id);
  });
  const std::string given = "--stop = " + options.stop;
  if (unseen != stop.end())
    throw UserError(str(given, ": token ", *unseen,
                        " is never drawn, since the data or the model lacks it; "
                        "leave --stop out, or give another text"));
  if (std::ssize(stop) > options.tokens)
    throw UserError(str(given, ": ", stop.size(), " tokens, but no more than --tokens = ", options.tokens,
                        " are drawn; give a shorter text, or more tokens"));
  return {.ids = stop, .text = ""};
}

// One text as it is drawn.
class Drawn {
 public:
  Drawn(const Tokenizer& tokenizer, const Stop& stop) : tokenizer_(tokenizer), stop_(stop) {}

  void add(std::int64_t id) {
    const std::size_t before = text_.size();
    ids_.push_back(id);
    text_ += tokenizer_.decode_next(id);
    ends_.push_back(text_.size());
    if (stop_.text.empty()) return;
    const std::size_t reach = stop_.text.size() - 1;  // it may have begun before
    found_ = text_.find(stop_.text, before - std::min(before, reach));
  }

  bool ended() const { return ends_in(ids_, stop_.ids) || found_ != std::string::npos; }

  // How much of text() can't be taken back: all but an end that may begin what stops it, or is that.
  std::size_t settled() const {
    if (found_ != std::string::npos) return found_;
    const auto tokens = static_cast<std::size_t>(tokens_before_stop(ids_, stop_.ids));
    std::size_t held = stop_.text.empty() ? 0 : std::min(stop_.text.size() - 1, text_.size());
    while (held > 0 && !text_.ends_with(std::string_view(stop_.text).substr(0, held))) --held;
    return (tokens == 0 ? 0 : ends_[tokens - 1]) - held;
  }

  const std::string& text() const { return text_; }

 private:
  const Tokenizer& tokenizer_;
  const Stop& stop_;
  std::vector<std::int64_t> ids_;
  std::string text_;                       // bytes, of byte pairs perhaps with a part of a character
  std::vector<std::size_t> ends_;          // of each token in it
  std::size_t found_ = std::string::npos;  // where stop_.text begins
};

SampleOptions checked(const SampleCommand& command) {
  constexpr double kAny = std::numeric_limits<double>::max();
  SampleOptions options;
  options.tokens = command.tokens, options.top_k = command.top_k;
  options.seed = static_cast<std::uint64_t>(command.seed);
  options.temperature =
      positive("--temperature", command.temperature, kAny, "a number > 0; near 0 is greedy");
  options.top_p = positive("--top-p", command.top_p, 1, "a number > 0 and <= 1; 1 is all");
  check_source(command.configuration, command.run, command.weights, "sample");
  return options;
}

// Whether `stop` stands in the text of `ids`, of which all but the last did not hold it.
bool last_token_ends(std::span<const std::int64_t> ids, const Tokenizer& tokenizer, const std::string& stop) {
  std::string text = tokenizer.decode_next(ids.back());
  const std::size_t enough = text.size() + stop.size() - 1;
  for (auto i = ids.size() - 1; i > 0 && text.size() < enough; --i)
    text.insert(0, tokenizer.decode_next(ids[i - 1]));
  return text.find(stop) != std::string::npos;
}

// Text as it is drawn, without what may begin --stop until that is known.
void print_one(const Source& source, const std::vector<std::int64_t>& prompt, const SampleOptions& options,
               const Stop& stop) {
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

void print_many(const Source& source, const std::vector<std::int64_t>& prompt, std::int64_t count,
                SampleOptions options, const Stop& stop) {
  constexpr std::string_view kBetween = "\n---------------\n";  // as nanoGPT's sample.py
  const auto& [loaded, tokenizer] = source;
  const auto drawn_from = [&, &tokenizer = tokenizer](std::span<const std::int64_t> ids) {
    Drawn drawn(tokenizer, stop);
    for (std::size_t i = 0; i < ids.size() && !drawn.ended(); ++i) drawn.add(ids[i]);
    return drawn;
  };
  if (!stop.text.empty())
    options.ended = [&, &tokenizer = tokenizer](std::span<const std::int64_t> ids) {
      return last_token_ends(ids, tokenizer, stop.text);
    };
  const auto texts =
      sample_sequences(*loaded.model, prompt, count, loaded.config.gpt.context, loaded.device, options);
  std::string_view before;
  for (const auto& text : texts) {
    const Drawn drawn = drawn_from(std::span(text).subspan(prompt.size()));
    Utf8Mender mender;
    const auto size = drawn.ended() ? drawn.settled() : drawn.text().size();
    const auto shown = mender.take(tokenizer.bytes(prompt) + drawn.text().substr(0, size));
    if (!put(str(before, shown, mender.finish()))) return;
    before = kBetween;
  }
  put("\n");
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
  const Source source = command.run.empty() ? from_weights(command) : from_run(command);
  const auto& [loaded, tokenizer] = source;
  options.ids = tokenizer.ids();
  std::erase_if(options.ids, [&](auto id) { return id >= loaded.config.gpt.vocabulary; });
  if (options.ids.empty()) throw UserError("kablate sample: the model's vocabulary has no token of the data");
  const auto prompt = command.prompt ? tokenizer.encode(*command.prompt, "--prompt")
                                     : std::vector<std::int64_t>{tokenizer.first()};
  if (prompt.empty()) throw UserError("--prompt = \"\": allowed: at least one token to begin with");
  warn_of_unseen(prompt, tokenizer, options.ids);
  const Stop stop = checked_stop(command, tokenizer, options.ids);
  options.stop = stop.ids;
  if (command.sequences == 1)
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
  command->add_option("--tokens", options->tokens, "How many to add")
      ->capture_default_str()
      ->type_name("N")
      ->check(whole_number(1));
  command->callback([options, &action] { action = [options] { return print_sample(*options); }; });
}

}  // namespace kablate
