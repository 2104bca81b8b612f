// A trial small enough to be trained many times: 2 layers, 16 wide, 12 iterations on a text made here.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "data/dataset.h"
#include "measure/arithmetic.h"
#include "model/kernel/choice.h"
#include "plan/key.h"
#include "support/configure.h"
#include "support/temporary_folder.h"
#include "train/trial.h"

namespace kablate::testing_support {

class SmallTrial {
 public:
  SmallTrial() : SmallTrial(Deltas{}) {}
  explicit SmallTrial(const Deltas& deltas) {
    std::string text;
    for (std::size_t i = 0; i < 3000; ++i) text += static_cast<char>('a' + (i * i + i / 7) % 11);
    root_.write("text", text);
    config = configure(Deltas{{"DATASET", "text"},
                              {"DATA_PATH", (root_.path() / "text").string()},
                              {"DEVICE", "cpu"},
                              {"GPT2_N_LAYER", "2"},
                              {"GPT2_N_HEAD", "2"},
                              {"GPT2_N_EMBD", "16"},
                              {"GPT2_BLOCK_SIZE", "16"},
                              {"GPT2_VOCAB_SIZE", "16"},
                              {"GPT2_DROPOUT", "0.1"},
                              {"RA_MLA_LATENT_DIM", "8"},
                              {"RA_MLA_MLP_GATE_DIM", "8"},
                              {"GPT2_MAX_ITERS", "12"},
                              {"GPT2_BATCH_SIZE", "2"},
                              {"GPT2_GRADIENT_ACCUMULATION", "2"},
                              {"GPT2_WARMUP_STEPS", "2"},
                              {"GPT2_EVAL_INTERVAL", "5"},
                              {"GPT2_EVAL_SAMPLES", "4"},
                              {"GPT2_LOG_INTERVAL", "2"},
                              {"GPT2_LEARNING_RATE", "0.01"},
                              {"GPT2_MIN_LR", "0.001"},
                              {"SPAM_INTERVAL", "4"},
                              {"SPAM_WARMUP_STEPS", "2"}} +
                       deltas);
    data = open_dataset(config, {});
  }

  const std::filesystem::path& path() const { return root_.path(); }

  // The order for it as `seed`, with the key that it has.
  TrialOrder order(std::int64_t seed = 1) const {
    const KeyContext context{.data_hash = data->hash(),
                             .threads = 1,
                             .ranks = 1,
                             .device = "cpu",
                             .kernels = resolved_kernels(config.run.kernels, c10::kCPU),
                             .torch_version = torch_version(),
                             .build = {"tests", "", ""}};
    return {.seed = seed,
            .name = "arm",
            .key = key_of(key_text(config, 0, 0, seed, context)),
            .data_folder = path(),
            .source_folder = path(),
            .build = context.build};
  }

 private:
  TemporaryFolder root_;

 public:
  Config config;
  std::shared_ptr<const Dataset> data;
};

}  // namespace kablate::testing_support
