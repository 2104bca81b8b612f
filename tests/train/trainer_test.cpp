// Training as values, without a file.
#include "train/trainer.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/core/expect_error.h"
#include "support/engine/memory_devices.h"
#include "support/engine/small_trial.h"
#include "train/follow.h"

namespace kablate {
namespace {

using testing_support::expect_error;
using testing_support::on_device_ranks;
using testing_support::on_ranks;
using testing_support::SmallTrial;

std::vector<Update> trained(Trainer& trainer, std::int64_t updates) {
  std::vector<Update> made;
  for (std::int64_t i = 0; i < updates; ++i) made.push_back(trainer.update());
  return made;
}

void expect_same_state(const Trainer& a, const Trainer& b) {
  const auto x = a.state(), y = b.state();
  EXPECT_EQ(x.iteration, y.iteration);
  EXPECT_EQ(x.tokens, y.tokens);
  for (const auto& [name, tensor] : x.weights) EXPECT_TRUE(at::equal(tensor, y.weights.at(name))) << name;
  for (const auto& [name, tensor] : x.optimizer) EXPECT_TRUE(at::equal(tensor, y.optimizer.at(name))) << name;
}

// A state that lives on while its trainer does.
TrainerState copy_of(TrainerState state) {
  for (auto* tensors : {&state.weights, &state.optimizer})
    for (auto& [name, tensor] : *tensors) tensor = tensor.detach().clone();
  return state;
}

TEST(Trainer, GoesOnFromAnyStateAsIfNothingHadHappened) {
  const SmallTrial trial;
  Trainer whole(trial.config, 1, trial.data);
  const auto rows = trained(whole, 12);
  EXPECT_TRUE(whole.done());
  for (const std::int64_t at : {0, 1, 5, 11}) {
    Trainer first(trial.config, 1, trial.data), second(trial.config, 1, trial.data);
    trained(first, at);
    trained(second, 3);  // whatever it did before
    second.restore(copy_of(first.state()));
    const auto rest = trained(second, 12 - at);
    for (std::int64_t i = at; i < 12; ++i) {
      const auto &now = rest[static_cast<std::size_t>(i - at)], &then = rows[static_cast<std::size_t>(i)];
      EXPECT_EQ(now.row, then.row) << "iteration " << i << " after " << at;
      EXPECT_EQ(now.due, then.due);
    }
    expect_same_state(second, whole);
    EXPECT_EQ(second.evaluate(), whole.evaluate());
  }
}

TEST(Trainer, HasARowForTheFirstOfEachIntervalAndTheLast) {
  const SmallTrial trial(Deltas{{"GPT2_LOG_INTERVAL", "5"}});
  Trainer trainer(trial.config, 1, trial.data);
  std::vector<std::int64_t> due;
  for (const auto& update : trained(trainer, 12))
    if (update.due) due.push_back(update.row.iteration);
  EXPECT_EQ(due, (std::vector<std::int64_t>{0, 5, 10, 11}));
}

TEST(Trainer, EvaluatesWhenAsked) {
  const SmallTrial trial;
  Trainer trainer(trial.config, 1, trial.data);
  std::vector<std::int64_t> due;
  while (true) {
    if (trainer.evaluation_due()) due.push_back(trainer.iteration());
    if (trainer.done()) break;
    trainer.update();
  }
  EXPECT_EQ(due, (std::vector<std::int64_t>{5, 10, 12}));
  std::int64_t batches = 0;
  const auto row = trainer.evaluate([&] { ++batches; });
  EXPECT_EQ(batches, 4) << "two of each split";
  EXPECT_EQ(row.iteration, 12);
}

// A state with one thing wrong is refused, and nothing has changed.
TEST(Trainer, RefusesAStateThatDoesNotFit) {
  const SmallTrial trial;
  Trainer trainer(trial.config, 1, trial.data), untouched(trial.config, 1, trial.data);
  trained(trainer, 3), trained(untouched, 3);
  Trainer other(trial.config, 2, trial.data);
  trained(other, 5);
  const auto good = copy_of(other.state());
  const auto refused = [&](const char* what, auto&& change) {
    auto state = good;
    change(state);
    expect_error<WorkError>([&] { trainer.restore(state); }, {what});
    expect_same_state(trainer, untouched);
  };
  refused("iteration is 13", [](auto& s) { s.iteration = 13; });
  refused("iteration is -3", [](auto& s) { s.iteration = -3; });
  refused("below 0", [](auto& s) { s.resets = -1; });
  refused("hash of tokens", [](auto& s) { s.tokens = std::string(63, '0'); });
  refused("has no tensor", [](auto& s) { s.weights.erase(s.weights.begin()); });
  refused("does not have", [](auto& s) { s.weights["more"] = at::zeros({1}); });
  refused("expected Float", [](auto& s) { s.weights.begin()->second = at::zeros({1}); });
  refused("expected Float",
          [](auto& s) { s.weights.begin()->second = s.weights.begin()->second.to(at::kDouble); });
  refused("optimizer state", [](auto& s) { s.optimizer.erase(s.optimizer.begin()); });
  trainer.restore(good);
  expect_same_state(trainer, other);
}

TEST(Trainer, StopsBeforeAnUpdateThatIsNoNumber) {
  const SmallTrial trial;
  Trainer trainer(trial.config, 1, trial.data);
  trained(trainer, 2);
  const auto& embedding = trainer.session().parameters["transformer.wte.weight"];
  {
    const at::NoGradGuard no_grad;
    embedding.copy_(at::full_like(embedding, std::nan("")));
  }
  const auto before = copy_of(trainer.state());
  EXPECT_FALSE(trainer.update().finite);
  EXPECT_EQ(trainer.iteration(), 2);
  EXPECT_EQ(trainer.state().tokens, before.tokens);
  for (const auto& [name, tensor] : trainer.state().optimizer)
    EXPECT_TRUE(at::equal(tensor, before.optimizer.at(name))) << name;
}

// Two pieces an update: what ranks add up is added up in the same order by one.
TEST(Trainer, OfTwoRanksTrainsTheBitsThatOneTrains) {
  const SmallTrial trial(Deltas{{"GPT2_LOG_INTERVAL", "1"}});
  Trainer alone(trial.config, 1, trial.data);
  const auto rows = trained(alone, 4);
  const auto losses = alone.evaluate();
  on_ranks(2, [&](Ranks& ranks) {
    Trainer trainer(trial.config, 1, trial.data, ranks);
    const auto made = trained(trainer, 4);
    for (std::size_t i = 0; i < rows.size(); ++i)
      EXPECT_EQ(made[i].row, rows[i].row) << "iteration " << i << ", rank " << ranks.rank();
    expect_same_state(trainer, alone);
    EXPECT_EQ(trainer.evaluate(), losses);
  });
}

// Buckets, moments that ranks share, and a state that goes to all.
TEST(Trainer, OfTwoRanksWithDevicesTrainsTheBitsThatOneTrains) {
  const Deltas each{{"GPT2_LOG_INTERVAL", "1"}};
  const SmallTrial trial(each), shared(each + Deltas{{"RANKS", "2"}, {"SHARD_MOMENTS", "y"}});
  Trainer alone(trial.config, 1, trial.data);
  trained(alone, 4);
  for (const auto* of_ranks : {&trial, &shared})
    on_device_ranks(2, [&](DeviceRanks& ranks) {
      Trainer trainer(of_ranks->config, 1, trial.data, ranks);
      if (ranks.rank() == 1)
        for (const auto& tensor : trainer.session().parameters.tensors()) tensor.detach().zero_();
      share_state(trainer, ranks);
      trained(trainer, 4);
      EXPECT_NO_THROW(check_same_weights(trainer, ranks));
      expect_same_state(trainer, alone);
    });
}

TEST(Trainer, OfTwoRanksWithTwoPiecesEachTrainsWhatOneTrainsButForRounding) {
  const SmallTrial trial(Deltas{{"GPT2_LOG_INTERVAL", "1"}, {"GPT2_GRADIENT_ACCUMULATION", "4"}});
  Trainer alone(trial.config, 1, trial.data);
  const auto rows = trained(alone, 4);
  on_ranks(2, [&](Ranks& ranks) {
    Trainer trainer(trial.config, 1, trial.data, ranks);
    const auto made = trained(trainer, 4);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_NEAR(*made[i].row.loss, *rows[i].row.loss, 1e-5 * *rows[i].row.loss);
      EXPECT_NEAR(*made[i].row.grad_norm, *rows[i].row.grad_norm, 1e-4);
      EXPECT_EQ(made[i].row.tokens, rows[i].row.tokens) << "all together read what one reads";
    }
  });
}

// Weights part from one another at update 3: buckets are then of others.
TEST(Trainer, OfTwoRanksGoesOnWhereTheFirstIsAndBecomesAnotherModelAsOneDoes) {
  const SmallTrial trial(
      Deltas{{"GPT2_LOG_INTERVAL", "1"}, {"MLP_SHARE_LAYERS", "2"}, {"MLP_UNSHARE_AT", "3"}});
  Trainer alone(trial.config, 1, trial.data);
  trained(alone, 5);
  on_ranks(2, [&](Ranks& ranks) {
    Trainer trainer(trial.config, 1, trial.data, ranks);
    trained(trainer, 2);
    if (ranks.rank() == 1)  // it has lost its way
      for (const auto& tensor : trainer.session().parameters.tensors()) tensor.detach().zero_();
    EXPECT_THROW(check_same_weights(trainer, ranks), WorkError);
    share_state(trainer, ranks);
    EXPECT_NO_THROW(check_same_weights(trainer, ranks));
    trained(trainer, 3);
    expect_same_state(trainer, alone);
  });
}

TEST(Trainer, OfRanksThatCannotShareTheBatchIsRefused) {
  const SmallTrial trial;
  on_ranks(3, [&](Ranks& ranks) {
    expect_error([&] { Trainer(trial.config, 1, trial.data, ranks); },
                 {"GPT2_GRADIENT_ACCUMULATION = 2", "3 ranks"});
  });
}

std::vector<std::string> tokens_of(const Deltas& deltas, std::int64_t seed) {
  const SmallTrial trial(Deltas{{"GPT2_LOG_INTERVAL", "1"}} + deltas);
  Trainer trainer(trial.config, seed, trial.data);
  std::vector<std::string> tokens;
  for (const auto& update : trained(trainer, 3)) tokens.push_back(update.row.tokens);
  tokens.push_back(trainer.evaluate().tokens);
  return tokens;
}

TEST(Tokens, AreThoseOfTheSamplesAlone) {
  const auto base = tokens_of({}, 1);
  EXPECT_NE(base[0], base[1]);
  EXPECT_EQ(tokens_of({{"RA_MLA_MLP_ATTN_GATE", "n"}, {"GPT2_N_LAYER", "1"}, {"GPT2_DROPOUT", "0"}}, 1),
            base);
  EXPECT_EQ(tokens_of({{"GPT2_BATCH_SIZE", "4"}, {"GPT2_GRADIENT_ACCUMULATION", "1"}}, 1), base)
      << "the same batch in one piece";
  EXPECT_EQ(tokens_of({{"GPT2_BATCH_SIZE", "1"}, {"GPT2_GRADIENT_ACCUMULATION", "4"}}, 1), base);
  const auto other = tokens_of({}, 2);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NE(other[i], base[i]) << "another seed, other samples";
  EXPECT_EQ(other[3], base[3]) << "evaluation reads the same windows whatever the seed";
  EXPECT_NE(tokens_of({{"GPT2_EVAL_SAMPLES", "3"}}, 1)[3], base[3]);
}

TEST(Tokens, OfALoggedRowCoverTheIterationsBetween) {
  const auto row_at = [](std::int64_t seed_of_second, std::int64_t iteration) {
    const SmallTrial trial(Deltas{{"GPT2_LOG_INTERVAL", "3"}});
    Trainer trainer(trial.config, 1, trial.data), other(trial.config, seed_of_second, trial.data);
    trainer.update(), other.update(), other.update();  // row 0, then iteration 1 by the one or the other
    auto state = copy_of(trainer.state());
    if (seed_of_second != 1) state.tokens = other.state().tokens, state.iteration = 2;
    Trainer rest(trial.config, 1, trial.data);
    rest.restore(state);
    Update update;
    while (rest.iteration() <= iteration) update = rest.update();
    return update.row.tokens;
  };
  EXPECT_NE(row_at(1, 3), row_at(2, 3)) << "iteration 1 is not logged, but it counts in row 3";
  EXPECT_EQ(row_at(1, 6), row_at(2, 6)) << "each row begins anew";
}

}  // namespace
}  // namespace kablate
