#include "record/summary.h"

#include <gtest/gtest.h>

#include <limits>

#include "record/plan_record.h"
#include "shape/model_shape.h"
#include "support/core/experiment.h"

namespace kablate {
namespace {

// Every key of the object gets another value of its kind; what comes back must hold all of them.
Json with_all_values_changed(Json json) {
  int n = 0;
  for (auto& [key, value] : json.items()) {
    ++n;
    if (value.is_string())
      value = "text " + std::to_string(n);
    else if (value.is_boolean())
      value = !value.get<bool>();
    else if (value.is_number_integer())
      value = 1000 + n;
    else if (value.is_number_float() || value.is_null())
      value = n;
  }
  return json;
}

TEST(TrialSummary, ComesBackWithEveryField) {
  const Json changed = with_all_values_changed(to_json(TrialSummary{}));
  EXPECT_EQ(to_json(summary_from_json(changed)), changed);
  EXPECT_EQ(changed.size(), 42u) << "a field was added: FORMAT.md lists them";
}

TEST(TrialSummary, HoldsNoNumberThatDoesNotExist) {
  TrialSummary summary;
  summary.val_loss = std::numeric_limits<double>::quiet_NaN();
  summary.train_loss = std::numeric_limits<double>::infinity();
  const Json json = to_json(summary);
  for (const auto* key : {"val_loss", "train_loss", "mfu", "pid", "peak_tensor_bytes"})
    EXPECT_TRUE(json[key].is_null()) << key;
  EXPECT_FALSE(summary_from_json(json).val_loss);
}

TEST(TrialSummary, KeepsEveryBitOfALoss) {
  TrialSummary summary;
  summary.val_loss = 0.1 + 0.2;
  EXPECT_EQ(summary_from_json(Json::parse(json_text(to_json(summary)))).val_loss, 0.1 + 0.2);
}

TEST(TrialSummary, HoldsTheWidthOfEachLayer) {
  TrialSummary summary;
  summary.mlp_widths = {48, 0, 31};
  EXPECT_EQ(summary_from_json(to_json(summary)).mlp_widths, summary.mlp_widths);
}

TEST(TrialSummary, HoldsTheLoadsOfEachLayersExperts) {
  TrialSummary summary;
  summary.expert_loads = {{0.25, 0.75}, {}, {1, 0}};
  EXPECT_EQ(summary_from_json(to_json(summary)).expert_loads, summary.expert_loads);
}

TEST(TrialSummary, HoldsTheSparsityOfEachMap) {
  TrialSummary summary;
  summary.sparsity = {{"a.weight", 0.5}, {"b.weight", 0.25}};
  EXPECT_EQ(summary_from_json(to_json(summary)).sparsity, summary.sparsity);
}

TEST(TrialSummary, OfAnEarlierVersionLacksWhatThatDidNotMeasure) {
  Json json = to_json(TrialSummary{});
  json.erase("cpu_share"), json.erase("peak_flops"), json.erase("mlp_widths"), json.erase("sparsity");
  json.erase("active_parameters"), json.erase("expert_loads");
  EXPECT_FALSE(summary_from_json(json).cpu_share || summary_from_json(json).peak_flops);
}

TEST(TrialSummary, OfAnotherFormIsRefused) {
  Json json = to_json(TrialSummary{});
  json.erase("seed");
  EXPECT_THROW(summary_from_json(json), Json::exception);
  json["seed"] = "one";
  EXPECT_THROW(summary_from_json(json), Json::exception);
}

TEST(Failure, ComesBackWithEveryField) {
  const Json changed = with_all_values_changed(to_json(Failure{}));
  EXPECT_EQ(to_json(failure_from_json(changed)), changed);
}

TEST(PlanRecord, ComesBackAsItWas) {
  auto plan = testing_support::ladder(5, {1, 2, 9}, 2);
  plan.steps[1].blocked = "sees the \"future\"";
  plan.steps[2].noncausal = true;
  EXPECT_EQ(plan_from_json(Json::parse(json_text(to_json(plan)))), plan);
}

TEST(PlannedStep, SaysWhatTheConfigurationAmountsTo) {
  const auto config = testing_support::small_config({"RA_MLA_MLP_LATENT_RECIP=n"});
  const auto step = describe_step(3, "gate+cross", 1, config);
  EXPECT_EQ(step.parameters, parameter_count(config));
  std::int64_t sum = 0;
  for (const auto& [part, count] : step.parameters_by_part) sum += count;
  EXPECT_EQ(sum, step.parameters);
  EXPECT_EQ(step.decode_cache_bytes_per_token, decode_cache_bytes_per_token(config));
  EXPECT_EQ(step.unused_symbols, unused_symbols(config));
  EXPECT_EQ(step.rerun_of, 1);
  EXPECT_TRUE(step.blocked.empty());
}

TEST(PlannedStep, MarksWhatSeesTheFuture) {
  const auto describe = [](std::initializer_list<const char*> assignments) {
    return describe_step(0, "gate", {}, testing_support::small_config(assignments));
  };
  const auto refused = describe({"RA_MLA_MLP_GATE_POOL=sequence"});
  EXPECT_FALSE(refused.blocked.empty());
  EXPECT_FALSE(refused.noncausal);
  const auto wanted = describe({"RA_MLA_MLP_GATE_POOL=sequence", "RA_MLA_ALLOW_NONCAUSAL=y"});
  EXPECT_TRUE(wanted.blocked.empty());
  EXPECT_TRUE(wanted.noncausal);
  EXPECT_FALSE(describe({"RA_MLA_ALLOW_NONCAUSAL=y"}).noncausal);
  const auto off =
      describe({"RA_MLA_MLP_GATE_POOL=sequence", "RA_MLA_ALLOW_NONCAUSAL=y", "RA_MLA_MLP_ATTN_GATE=n"});
  EXPECT_FALSE(off.noncausal) << "the pool of a gate that is off shows nobody anything";
}

}  // namespace
}  // namespace kablate
