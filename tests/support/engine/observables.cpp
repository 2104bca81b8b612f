#include "support/engine/observables.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "cluster/slurm_script.h"
#include "data/sample_order.h"
#include "interchange/weights.h"
#include "measure/arithmetic.h"
#include "measure/machine.h"
#include "model/gpt.h"
#include "model/kernel/choice.h"
#include "optim/schedule.h"
#include "plan/plan.h"
#include "record/reader.h"
#include "runner/timing.h"
#include "shape/model_shape.h"
#include "support/engine/model_fixture.h"
#include "support/temporary_folder.h"
#include "train/evaluator.h"
#include "train/session.h"
#include "train/trainer.h"
#include "train/trial.h"

namespace kablate {
namespace {

// Two texts, a folder that is no data, two plans.
class World {
 public:
  World() {
    for (const char* name : {"one.txt", "two.txt"}) {
      std::string text;
      for (std::size_t i = 0; i < 3000; ++i) text += static_cast<char>('a' + (i * i + i / 7 + name[0]) % 11);
      folder_.write(name, text);
    }
    for (const char* name : {"ladder", "reversed"})
      folder_.write(str("plans/", name, ".yaml"),
                    str("name: ", name, "\nbaseline: 0\nsteps:\n  0: {set: {RA_MLA_MLP_ATTN_GATE: n}}\n",
                        "  1: {set: {", name[0] == 'l' ? "RA_MLA_MLP_CROSS_TOKEN" : "RA_MLA_MLP_LATENT_RECIP",
                        ": y}}\n"));
  }
  std::string file(const std::string& name) const { return (folder_.path() / name).string(); }

 private:
  TemporaryFolder folder_;
};

const World& world() {
  static const World the_world;
  return the_world;
}

std::string digest(const std::vector<Tensor>& tensors) {
  std::string bytes;
  for (const auto& tensor : tensors) {
    const Tensor flat = tensor.detach().to(at::kDouble).contiguous();
    bytes.append(static_cast<const char*>(flat.const_data_ptr()), static_cast<std::size_t>(flat.nbytes()));
  }
  return hex(sha256(bytes));
}

}  // namespace

Settings observed_settings(const Deltas& deltas) {
  Settings settings = small_settings({{"GPT2_BATCH_SIZE", "2"},
                                      {"GPT2_GRADIENT_ACCUMULATION", "1"},
                                      {"GPT2_MAX_ITERS", "24"},
                                      {"GPT2_WARMUP_STEPS", "2"},
                                      {"GPT2_LEARNING_RATE", "1e-2"},
                                      {"GPT2_MIN_LR", "1e-3"},
                                      {"GPT2_EVAL_SAMPLES", "4"},
                                      {"DATASET", "text"},
                                      {"DATA_PATH", "one.txt"},
                                      {"DEVICE", "cpu"},
                                      {"ABLATION_PLAN", "ladder"}});
  settings = changed(settings, deltas);
  settings.set("DATA_PATH", world().file(settings.text("DATA_PATH")), "test");
  return settings;
}

namespace observe {

std::string logits(const Settings& settings) {
  at::NoGradGuard no_grad;
  const Config config = bound(settings);
  const auto tokens = random_sequences(config, 2, config.gpt.context, 41).inputs;
  return digest({Gpt(config, random_parameters(config, 41)).logits(as_tensor(tokens))});
}

static std::shared_ptr<const Dataset> dataset(const Config& config) {
  return open_dataset(config, world().file(""));
}

std::string weights_after(const Settings& settings, std::int64_t iterations) {
  const Config config = bound(settings);
  Trainer trainer(config, 1, dataset(config));
  for (std::int64_t i = 0; i < iterations; ++i) EXPECT_TRUE(trainer.update().finite);
  return digest(trainer.session().parameters.tensors());
}

std::string training(const Settings& settings) { return weights_after(settings, 16); }

std::string rates(const Settings& settings) {
  const Config config = bound(settings);
  std::vector<std::string> all;
  for (std::int64_t i = 0; i < 40; ++i)
    all.push_back(shortest(learning_rate(config.optim, config.train.max_iters, i)));
  return join(all, " ");
}

std::string plan(const Settings& settings) {
  std::string text;
  for (const auto& trial : make_plan(settings, world().file("plans")).trials)
    text += str(trial.step, " ", trial.name, " ", trial.seed, "; ");
  return text;
}

std::string order(const Settings& settings) {
  const Config config = bound(settings);
  std::string text;
  const Batch batch = dataset(config)->samples(data_seed(config.data, 1), 0, 30, config.gpt.context);
  for (std::int64_t b = 0; b < 30; ++b) text += digest({batch.inputs[b]}) + " ";
  return text;
}

std::string evaluation(const Settings& settings) {
  const Config config = bound(settings);
  const Session session(config, 1, dataset(config));
  const auto losses =
      evaluate(config, session.model, *session.objective, *session.data, session.device, [] {});
  return str(shortest(losses.train.loss), " ", shortest(losses.validation.loss));
}

std::string data(const Settings& settings) {
  try {
    return dataset(bound(settings))->hash();
  } catch (const UserError& error) {
    return error.what();
  }
}

std::string start(const Settings& settings) {
  Config config = bound(settings);
  if (!config.train.init_from.empty()) config.train.init_from = world().file(config.train.init_from);
  try {
    return initial_weights_hash(config);
  } catch (const UserError& error) {
    return error.what();
  }
}

std::string device(const Settings& settings) {
  try {
    return resolve_device(bound(settings).run.device).str();
  } catch (const UserError& error) {
    return error.what();
  }
}

std::string kernels(const Settings& settings) {
  try {
    return resolved_kernels(bound(settings).run.kernels, c10::kCPU);
  } catch (const UserError& error) {
    return error.what();
  }
}

std::string batch(const Settings& settings) {
  const auto options = bound(settings).slurm;
  const SlurmJob job{.experiment = "e", .program = "/p", .folder = "/f", .results = "/r", .cpus = 1};
  return array_script(options, job) + join(array_call(options, {0, 9}, "/s", ""), " ");
}

std::string at_once(const Settings& settings) {
  return std::to_string(parallel_trials(bound(settings), 1, 2, 0));
}

std::string folder(const Settings& settings) {
  return experiment_folder("results", bound(settings).run.experiment).path().string();
}

std::string blocked(const Settings& settings) {
  const std::string reason = blocked_reason(bound(settings));
  return reason.empty() ? "trained" : reason;
}

// The rows of metrics.jsonl that a whole trial leaves: what was logged at which iteration.
std::string log(const Settings& settings) {
  const TemporaryFolder place;
  const TrialFolder trial(place.path() / "trial");
  const Config config = bound(settings);
  const KeyContext context{.data_hash = dataset(config)->hash(),
                           .threads = 1,
                           .ranks = 1,
                           .device = "cpu",
                           .kernels = resolved_kernels(config.run.kernels, c10::kCPU),
                           .torch_version = torch_version(),
                           .build = {.sources = "tests", .compiler = "", .flags = ""}};
  const TrialOrder order{.name = "mla",
                         .key = key_of(key_text(config, 0, 0, 1, context)),
                         .data_folder = place.path(),
                         .source_folder = place.path(),
                         .build = context.build};
  EXPECT_EQ(run_trial(trial, order, config), TrialOutcome::kDone);
  std::string text;
  for (const auto& row : read_metrics(trial)) text += str(row.index(), " ", iteration_of(row), "; ");
  return text;
}

}  // namespace observe
}  // namespace kablate
