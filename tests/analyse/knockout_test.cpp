// A knock-out is the model with another mixing weight, and says so to the bit.
#include "analyse/knockout.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/dataset.h"
#include "model/loss.h"
#include "shape/model_shape.h"
#include "support/engine/model_fixture.h"
#include "support/engine/observables.h"
#include "train/evaluator.h"

namespace kablate {
namespace {

const Deltas kEverything = {{"RA_MLA_MLP_ATTN_GATE", "y"},
                            {"RA_MLA_MLP_CROSS_TOKEN", "y"},
                            {"RA_MLA_MLP_LATENT_RECIP", "y"},
                            {"RA_MLA_RA_ALPHA", "0.8"},
                            {"GPT2_EVAL_SAMPLES", "5"}};  // the last batch is smaller
const Deltas kUntied = {{"RA_MLA_MLP_TYING_MODE", "untied"}},
             kScalar = {{"RA_MLA_MLP_TYING_MODE", "per_head_scalar"}};

class KnockoutTest : public testing::Test {
 protected:
  KnockoutStudy study(const Config& config, const ParameterSet& parameters) const {
    return knock_out(config, parameters, *data_, at::kCPU, {0, 0.5, 1, 2}, [] {});
  }
  double loss(const Config& config, const ParameterSet& parameters) const {
    return evaluate(config, Gpt(config, parameters), *make_objective(config, data_->vocabulary()), *data_,
                    at::kCPU, [] {})
        .validation.loss;
  }
  static const Knockout& row(const KnockoutStudy& study, const std::string& mechanism, double scale) {
    for (const auto& row : study.rows)
      if (row.mechanism == mechanism && row.scale == scale) return row;
    throw std::out_of_range(mechanism);
  }

  Config config_ = bound(observed_settings(kEverything));
  ParameterSet parameters_ = random_parameters(config_, 17);
  std::shared_ptr<const Dataset> data_ = open_dataset(config_, "");
};

TEST_F(KnockoutTest, EvaluatesTheModelWithTheScaledWeight) {
  const auto found = study(config_, parameters_);
  EXPECT_EQ(found.val_loss, loss(config_, parameters_));
  EXPECT_EQ(found.windows, 5u);
  EXPECT_EQ(found.rows.size(), 4u * 3 + 3);
  for (const double scale : {0.0, 0.5, 2.0}) {
    SCOPED_TRACE(scale);
    Config gate = config_, cross = config_, recip = config_, ra = config_;
    gate.gate.alpha *= scale, cross.cross.alpha *= scale, recip.coupler.alpha *= scale;
    ra.attention.reciprocal_alpha *= scale;
    EXPECT_EQ(row(found, "gate", scale).val_loss, loss(gate, parameters_));
    EXPECT_EQ(row(found, "cross", scale).val_loss, loss(cross, parameters_));
    EXPECT_EQ(row(found, "recip", scale).val_loss, loss(recip, parameters_));
    EXPECT_EQ(row(found, "ra", scale).val_loss, loss(ra, parameters_));
    for (const char* name : {"gate", "cross", "recip", "ra"}) {
      const auto& change = row(found, name, scale);
      EXPECT_NE(change.val_loss, found.val_loss) << name;
      EXPECT_NEAR(change.change.mean, change.val_loss - found.val_loss, 1e-6) << name;
    }
  }
}

TEST_F(KnockoutTest, WithAllOffIsTheModelThatHasNone) {
  const Config plain = bound(observed_settings({{"GPT2_EVAL_SAMPLES", "5"}}));
  const ParameterSet kept(model_parameters(plain));
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : kept.by_name()) tensor.copy_(parameters_[name]);
  EXPECT_EQ(row(study(config_, parameters_), "all", 0).val_loss, loss(plain, kept));
}

// With maps of their own the directions are switched off by the map that ends each.
TEST_F(KnockoutTest, TakesTheCouplersDirectionsApart) {
  const at::NoGradGuard no_grad;
  for (const auto& tying : {kUntied, kScalar}) {
    const Config config = bound(observed_settings(kEverything + tying));
    const auto parameters = random_parameters(config, 17);
    const auto found = study(config, parameters);
    for (const bool enrich : {true, false}) {
      const auto without = random_parameters(config, 17);
      for (const auto& [name, tensor] : without.by_name())
        if (name.find(enrich ? "attn_to_mlp" : "mlp_to_attn") != std::string::npos) tensor.zero_();
      const auto& off = row(found, enrich ? "recip attn-to-mlp" : "recip mlp-to-attn", 0);
      EXPECT_EQ(off.val_loss, loss(config, without));
      EXPECT_NE(off.val_loss, found.val_loss);
    }
    EXPECT_EQ(loss(config, parameters), found.val_loss) << "the weights were changed";
  }
}

TEST_F(KnockoutTest, TakesTheDirectionsOfATiedCouplerApartAsThoseOfItsUntiedTwin) {
  const Config untied = bound(observed_settings(kEverything + kUntied));
  const ParameterSet twin(model_parameters(untied));
  {
    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : twin.by_name()) {
      const std::string block = name.substr(0, name.find("coupler"));
      if (name.find("attn_to_mlp") != std::string::npos) {
        tensor.copy_(parameters_[block + "coupler.W"]);
      } else if (name.find("mlp_to_attn") != std::string::npos) {
        tensor.copy_(parameters_[block + "coupler.W"].t());
      } else {
        tensor.copy_(parameters_[name]);
      }
    }
  }
  const auto tied = study(config_, parameters_), apart = study(untied, twin);
  EXPECT_NEAR(tied.val_loss, apart.val_loss, 1e-5);
  for (const char* name : {"recip attn-to-mlp", "recip mlp-to-attn"}) {
    EXPECT_NEAR(row(tied, name, 0).val_loss, row(apart, name, 0).val_loss, 1e-5) << name;
    EXPECT_GT(std::abs(row(tied, name, 0).val_loss - tied.val_loss), 1e-3) << name;
  }
}

TEST(Knockout, NamesWhatIsOn) {
  const auto names = [](const Deltas& deltas) { return knockout_mechanisms(small_config(deltas)); };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names({}), Names{});
  EXPECT_EQ(names({{"RA_MLA_RA_ALPHA", "0.5"}}), Names{"ra"});
  EXPECT_EQ(names({{"RA_MLA_MLP_ATTN_GATE", "y"}, {"RA_MLA_MLP_CROSS_TOKEN", "y"}}),
            (Names{"gate", "cross", "all"}));
  EXPECT_EQ(names({{"RA_MLA_MLP_LATENT_RECIP", "y"}}),
            (Names{"recip", "recip attn-to-mlp", "recip mlp-to-attn"}));
  EXPECT_EQ(names({{"RA_MLA_MLP_LATENT_RECIP", "y"}, {"GPT2_N_LAYER", "1"}}), Names{"recip"});
}

// A study's row at scale 0 whose windows' losses change by these, with as many others.
Knockout row_of(const std::vector<double>& differences, std::size_t others = 0) {
  std::vector<Knockout> rows{{"gate", 0, 2, paired_difference(differences), {}, {}}};
  for (std::size_t i = 0; i < others; ++i)
    rows.push_back({"cross", 0, 2, paired_difference(std::vector{0.5, -0.5, 0.1}), {}, {}});
  adjust(rows);
  return rows[0];
}

TEST(Knockout, SaysInWordsWhetherAMechanismIsUsed) {
  const auto verdict = [](const std::vector<double>& differences, std::optional<double> noise = {}) {
    return knockout_verdict(row_of(differences), /*trained_loss=*/2, noise);
  };
  EXPECT_EQ(verdict({0.01, 0.02, 0.03}),
            "gate: no sign that it is used; without it the loss changes by less than "
            "the windows tell apart");
  EXPECT_EQ(verdict({0.02, 0.021, 0.022}), "gate: used; without it the loss rises by 0.0210 nats (1.05 %)");
  EXPECT_EQ(verdict({-0.02, -0.021, -0.022}),
            "gate: used, to no good; without it the loss falls by 0.0210 nats (1.05 %)");
  EXPECT_EQ(verdict({0, 0, 0}), "gate: not used; without it no window's loss changes");
  EXPECT_EQ(verdict({0.5}), "gate: one window is too few to say");
}

TEST(Knockout, SaysHowMuchAUseIs) {
  const auto small = row_of({0.0008, 0.00081, 0.00079});
  EXPECT_EQ(knockout_verdict(small, 2, {}),
            "gate: used, but hardly; without it the loss rises by 0.0008 nats (0.04 %)");
  EXPECT_EQ(knockout_verdict(small, 2, 0.02),
            "gate: used, but hardly: far less than a seed changes; without it the loss rises by 0.0008 nats "
            "(0.04 %, 0.04 of the sd between seeds)");
  EXPECT_THAT(knockout_verdict(small, 2, 0.001), testing::HasSubstr("used, by less than a seed changes;"));
  EXPECT_THAT(knockout_verdict(small, 2, 0.0001), testing::HasSubstr("used, by more than a seed changes;"));
}

TEST(Knockout, AdjustsItsRowsForEachOther) {
  const std::vector<double> differences{0.01, 0.02, 0.016};  // p about .036
  const auto alone = row_of(differences), among = row_of(differences, 2);
  EXPECT_TRUE(alone.holm->rejected);
  EXPECT_FALSE(among.holm->rejected);
  EXPECT_DOUBLE_EQ(among.holm->adjusted_p, 3 * *alone.change.p);
  EXPECT_DOUBLE_EQ(among.holm->level, 0.05 / 3);
  EXPECT_LT(among.range->low, 0) << "the interval at that level";
  EXPECT_GT(alone.range->low, 0);
}

}  // namespace
}  // namespace kablate
