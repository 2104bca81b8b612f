// What tests of training ask of a Trainer: its rows, its state, and that it goes on from one.
#pragma once

#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/engine/small_trial.h"
#include "train/trainer.h"

namespace kablate::testing_support {

inline std::vector<TrainRow> rows_of(Trainer& trainer, std::int64_t updates) {
  std::vector<TrainRow> rows;
  for (std::int64_t i = 0; i < updates; ++i) rows.push_back(trainer.update().row);
  return rows;
}

// Tensors that later updates leave alone.
inline TrainerState copy_of(TrainerState state) {
  for (auto* tensors : {&state.weights, &state.optimizer})
    for (auto& [name, tensor] : *tensors) tensor = tensor.detach().clone();
  return state;
}

inline void expect_same(const NamedTensors& a, const NamedTensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) EXPECT_TRUE(at::equal(tensor, b.at(name))) << name;
}

// `all` updates at once, and with a state taken and put back after `after` of them: the same to the bit.
// Gives that state.
inline TrainerState expect_goes_on(const SmallTrial& trial, std::int64_t after, std::int64_t all) {
  Trainer whole(trial.config, 1, trial.data), first(trial.config, 1, trial.data),
      second(trial.config, 1, trial.data);
  const auto rows = rows_of(whole, all);
  rows_of(first, after);
  auto state = copy_of(first.state());
  second.restore(state);
  const auto rest = rows_of(second, all - after);
  for (std::size_t i = 0; i < rest.size(); ++i)
    EXPECT_EQ(rest[i], rows[static_cast<std::size_t>(after) + i]) << i;
  expect_same(second.state().weights, whole.state().weights);
  return state;
}

}  // namespace kablate::testing_support
