// Combinations that can't work, names of arms, and what nothing reads.
#include <gtest/gtest.h>

#include <algorithm>

#include "config/config.h"
#include "config/settings.h"
#include "support/core/expect_error.h"

namespace kablate {
namespace {

using testing_support::expect_error;
using Assignments = std::initializer_list<const char*>;

Config config(Assignments assignments) {
  auto settings = Settings::defaults();
  for (const auto* assignment : assignments) settings.set_assignment(assignment, "test");
  return settings.bind();
}

void expect_refused(Assignments assignments, std::initializer_list<std::string> parts) {
  expect_error([&] { validate(config(assignments)); }, parts);
}

TEST(Validate, RefusesWidthsThatDoNotDivide) {
  expect_refused({"GPT2_N_EMBD=100", "GPT2_N_HEAD=12"}, {"GPT2_N_EMBD = 100", "GPT2_N_HEAD = 12"});
  expect_refused({"RA_MLA_LATENT_DIM=100", "RA_MLA_MLP_TYING_MODE=per_head_scalar"},
                 {"RA_MLA_LATENT_DIM = 100", "3072"});
  expect_refused({"MLP_EXPANSION=0.01", "GPT2_N_EMBD=10", "GPT2_N_HEAD=2"}, {"MLP_EXPANSION", "width 0"});
  expect_refused({"GPT2_N_EMBD=15", "GPT2_N_HEAD=5", "MLP_EXPANSION=1.2", "RA_MLA_MLP_SPARSE_HEAD_AVERAGE=n"},
                 {"GPT2_N_HEAD = 5", "RA_MLA_MLP_SPARSE_HEAD_AVERAGE"});
}

TEST(Validate, RefusesMechanismsWithoutWhatTheyNeed) {
  expect_refused({"ENABLE_RA_MLA=n"}, {"RA_MLA_MLP_LATENT_RECIP", "ENABLE_RA_MLA = n"});
  expect_refused({"ENABLE_RA_MLA=n", "RA_MLA_MLP_LATENT_RECIP=n", "RA_MLA_RA_ALPHA=0.5"},
                 {"RA_MLA_RA_ALPHA = 0.5"});
  expect_refused({"GPT2_N_LAYER=1"}, {"RA_MLA_MLP_ATTN_GATE", "GPT2_N_LAYER = 1"});
  for (const auto* on : {"RA_MLA_MLP_ATTN_GATE=y", "RA_MLA_MLP_CROSS_TOKEN=y", "RA_MLA_MLP_LATENT_RECIP=y"})
    expect_refused({"MLP_EXPANSION=0", "RA_MLA_MLP_ATTN_GATE=n", "RA_MLA_MLP_CROSS_TOKEN=n",
                    "RA_MLA_MLP_LATENT_RECIP=n", on},
                   {"MLP_EXPANSION = 0"});
}

TEST(Validate, RefusesRanksThatCanNotShareABatch) {
  expect_refused({"RANKS=3", "GPT2_GRADIENT_ACCUMULATION=4"},
                 {"GPT2_GRADIENT_ACCUMULATION = 4", "RANKS = 3", "a multiple of RANKS"});
  EXPECT_NO_THROW(validate(config({"RANKS=2", "GPT2_GRADIENT_ACCUMULATION=4", "SHARD_MOMENTS=y"})));
  expect_refused({"SHARD_MOMENTS=y"}, {"SHARD_MOMENTS = y", "RANKS = 1"});
}

TEST(Validate, RefusesObjectivesThatTheDirectionOfAttentionDefeats) {
  expect_refused({"OBJECTIVE=masked_token"},
                 {"OBJECTIVE = masked_token", "ATTENTION_DIRECTION = causal", "bidirectional"});
  expect_refused({"ATTENTION_DIRECTION=bidirectional"},
                 {"ATTENTION_DIRECTION = bidirectional", "OBJECTIVE = next_token", "masked_token"});
  expect_refused({"CRITIC=y"}, {"CRITIC = y", "OBJECTIVE = next_token"});
  EXPECT_NO_THROW(
      validate(config({"OBJECTIVE=masked_token", "ATTENTION_DIRECTION=bidirectional", "CRITIC=y"})));
  for (const auto* rate : {"MASK_RATE=0", "MASK_RATE=1.01", "MASK_RATE=-0.1"})
    expect_error(
        [&] {
          config({"OBJECTIVE=masked_token", "ATTENTION_DIRECTION=bidirectional", rate});
        },
        {"MASK_RATE", "> 0", "<= 1"});
  EXPECT_NO_THROW(config({"MASK_RATE=1"}));
}

// All positions are pooled over in either way, so that nobody sees a future that he should not.
TEST(Blocked, IsNoGateOverASequenceThatAllSee) {
  EXPECT_NE(blocked_reason(config({"RA_MLA_MLP_GATE_POOL=sequence"})), "");
  EXPECT_EQ(blocked_reason(config({"RA_MLA_MLP_GATE_POOL=sequence", "OBJECTIVE=masked_token",
                                   "ATTENTION_DIRECTION=bidirectional"})),
            "");
}

TEST(Validate, RefusesWhatNeedsAnAttentionWithoutOne) {
  const std::vector<const char*> off = {"RA_MLA_MLP_ATTN_GATE=n", "RA_MLA_MLP_CROSS_TOKEN=n",
                                        "RA_MLA_MLP_LATENT_RECIP=n", "GPT2_ATTENTION=n"};
  const auto with = [&](const char* last) {
    auto settings = Settings::defaults();
    for (const auto* assignment : off) settings.set_assignment(assignment, "test");
    settings.set_assignment(last, "test");
    validate(settings.bind());
  };
  EXPECT_NO_THROW(with("ENABLE_RA_MLA=n"));
  for (const auto* on : {"RA_MLA_MLP_ATTN_GATE=y", "RA_MLA_MLP_CROSS_TOKEN=y", "RA_MLA_MLP_LATENT_RECIP=y",
                         "RA_MLA_RA_ALPHA=0.5", "MLP_EXPANSION=0"})
    expect_error([&] { with(on); }, {"GPT2_ATTENTION = n"});
}

TEST(Validate, RefusesMlpsThatMakeNoModel) {
  expect_refused({"RA_MLA_LATENT_DIM=64,32"},
                 {"RA_MLA_LATENT_DIM = 64,32 has 2 numbers", "GPT2_N_LAYER = 12"});
  EXPECT_NO_THROW(
      validate(config({"RA_MLA_LATENT_DIM=64,32", "ENABLE_RA_MLA=n", "RA_MLA_MLP_LATENT_RECIP=n"})))
      << "nothing reads it";
  expect_refused({"GPT2_N_LAYER=2", "RA_MLA_LATENT_DIM=64,32"},
                 {"RA_MLA_LATENT_DIM = 64,32", "RA_MLA_MLP_TYING_MODE = tied_transpose", "untied"});
  EXPECT_NO_THROW(
      validate(config({"GPT2_N_LAYER=2", "RA_MLA_LATENT_DIM=64,32", "RA_MLA_MLP_TYING_MODE=untied"})));
  expect_refused({"MLP_EXPANSION=4,3"}, {"MLP_EXPANSION = 4,3 has 2 numbers", "GPT2_N_LAYER = 12"});
  expect_refused({"GPT2_N_LAYER=2", "MLP_EXPANSION=4,1e-9"}, {"MLP_EXPANSION = 1e-09", "width 0"});
  expect_refused({"GPT2_N_LAYER=3", "MLP_EXPANSION=0,0,4"}, {"RA_MLA_MLP_ATTN_GATE", "last layer alone"});
  expect_refused({"MLP_SHARE_LAYERS=5"}, {"MLP_SHARE_LAYERS = 5", "GPT2_N_LAYER = 12", "1, 2, 3, 4, 6, 12"});
  expect_refused({"MLP_SHARE_LAYERS=24"}, {"MLP_SHARE_LAYERS = 24", "choose one of"});
  expect_refused({"GPT2_N_LAYER=4", "MLP_SHARE_LAYERS=2", "MLP_EXPANSION=4,3,4,3"},
                 {"MLP_EXPANSION = 4,3,4,3", "MLP_SHARE_PATTERN = adjacent", "layers 0 and 1"});
  expect_refused(
      {"GPT2_N_LAYER=4", "MLP_SHARE_LAYERS=2", "MLP_EXPANSION=4,4,3,3", "MLP_SHARE_PATTERN=cyclic"},
      {"MLP_SHARE_PATTERN = cyclic", "layers 0 and 2"});
  EXPECT_NO_THROW(validate(config({"GPT2_N_LAYER=4", "MLP_SHARE_LAYERS=2", "MLP_EXPANSION=4,4,3,3"})));
  expect_refused({"MLP_PER_HEAD=y", "MLP_SHARE_HEADS=5"},
                 {"MLP_SHARE_HEADS = 5", "GPT2_N_HEAD = 12", "1, 2, 3"});
  expect_refused({"MLP_PER_HEAD=y", "GPT2_N_HEAD=1"},
                 {"MLP_PER_HEAD = y", "GPT2_N_HEAD = 1", "set MLP_PER_HEAD to n"});
  expect_refused({"MLP_PER_HEAD=y", "MLP_EXPANSION=1.3"},
                 {"MLP_EXPANSION = 1.3", "head of width 64", "83.2"});
  EXPECT_NO_THROW(validate(config({"MLP_SHARE_HEADS=5"}))) << "nothing reads it";
  for (const auto* on : {"MLP_PER_HEAD=y", "MLP_SHARE_LAYERS=2", "MLP_LEARNED_WIDTH=y"})
    expect_refused({"MLP_EXPANSION=0", "RA_MLA_MLP_ATTN_GATE=n", "RA_MLA_MLP_CROSS_TOKEN=n",
                    "RA_MLA_MLP_LATENT_RECIP=n", on},
                   {"MLP_EXPANSION = 0", "there is no MLP"});
}

TEST(Validate, RefusesWhatCantStandBesideExperts) {
  const char *no2 = "RA_MLA_MLP_CROSS_TOKEN=n", *no3 = "RA_MLA_MLP_LATENT_RECIP=n", *four = "MLP_EXPERTS=4";
  for (const auto* fine : {"MLP_EXPERTS_TOP=2", "MLP_SHARE_LAYERS=3", "USE_LORA_ATTN=y",
                           "RA_MLA_RA_ALPHA=0.5", "GPT2_ACTIVATION=swiglu", "MLP_BALANCE_WEIGHT=0"})
    EXPECT_NO_THROW(validate(config({no2, no3, four, fine}))) << fine;
  expect_refused({no2, no3, "MLP_EXPERTS=1"}, {"MLP_EXPERTS = 1", "allowed: 0", "2 and more"});
  expect_refused({no2, no3, four, "RA_MLA_MLP_ATTN_GATE=n", "MLP_EXPANSION=0"},
                 {"MLP_EXPERTS = 4", "MLP_EXPANSION = 0"});
  for (const auto* on : {"MLP_PER_HEAD", "MLP_LEARNED_WIDTH", "SHARE_MAIN_MATRICES", "USE_LORA_MLP"}) {
    const std::string assignment = str(on, "=y");
    expect_refused({no2, no3, four, assignment.c_str()},
                   {"MLP_EXPERTS = 4", str(on, " = y"), str("set ", on, " to n"), "MLP_EXPERTS to 0"});
  }
  expect_refused({no3, four}, {"MLP_EXPERTS = 4", "RA_MLA_MLP_CROSS_TOKEN = y"});
  expect_refused({no2, four}, {"MLP_EXPERTS = 4", "RA_MLA_MLP_LATENT_RECIP = y"});
  EXPECT_NO_THROW(validate(config({"MLP_EXPERTS_TOP=2"}))) << "nothing reads it";
}

TEST(Validate, RefusesWhatNeedsQueriesAndKeysOfMultiHeadAttentionWithoutThem) {
  const char *no1 = "RA_MLA_MLP_ATTN_GATE=n", *no2 = "RA_MLA_MLP_CROSS_TOKEN=n",
             *no3 = "RA_MLA_MLP_LATENT_RECIP=n", *mha = "ENABLE_RA_MLA=n", *none = "GPT2_ATTENTION=n";
  EXPECT_NO_THROW(validate(config({no3, mha, "POSITIONS=rotary"})));
  for (const auto* on : {"QK_NORM=y", "GPT2_N_KV_HEAD=4"}) {
    const std::string given = std::string(on).replace(std::string(on).find('='), 1, " = ");
    expect_refused({on}, {given, "ENABLE_RA_MLA = y", "ENABLE_RA_MLA to n"});
    EXPECT_NO_THROW(validate(config({no3, mha, on}))) << on;
  }
  for (const auto* on : {"POSITIONS=rotary", "QK_NORM=y"})
    expect_refused({no1, no2, no3, none, mha, on}, {"GPT2_ATTENTION = n", "give the model its attention"});
  EXPECT_NO_THROW(validate(config({no1, no2, no3, none, mha, "POSITIONS=none"})));
  EXPECT_NO_THROW(validate(config({no1, no2, no3, none, "GPT2_N_KV_HEAD=5"})))
      << "of an attention that is off";
  EXPECT_NO_THROW(validate(config({"POSITIONS=none"})));
}

TEST(Validate, RefusesHeadsThatCantBePairedOrGrouped) {
  const char *no3 = "RA_MLA_MLP_LATENT_RECIP=n", *mha = "ENABLE_RA_MLA=n";
  expect_refused({no3, mha, "POSITIONS=rotary", "GPT2_N_EMBD=84"},
                 {"POSITIONS = rotary", "7 channels", "GPT2_N_EMBD = 84", "GPT2_N_HEAD = 12", "even"});
  expect_refused({no3, mha, "GPT2_N_KV_HEAD=5"}, {"GPT2_N_KV_HEAD = 5", "GPT2_N_HEAD = 12", "divisor"});
  expect_refused({no3, mha, "GPT2_N_KV_HEAD=24"}, {"GPT2_N_KV_HEAD = 24", "GPT2_N_HEAD = 12"});
  for (const auto* n : {"GPT2_N_KV_HEAD=1", "GPT2_N_KV_HEAD=12"})
    EXPECT_NO_THROW(validate(config({no3, mha, n, "QK_NORM=y", "POSITIONS=rotary"}))) << n;
}

TEST(Validate, RefusesAnEndOfSharingThatCanNotCome) {
  expect_refused({"MLP_UNSHARE_AT=5"}, {"MLP_UNSHARE_AT = 5", "MLP_SHARE_LAYERS = 1"});
  expect_refused({"MLP_UNSHARE_AT=101", "MLP_SHARE_LAYERS=2", "GPT2_MAX_ITERS=100"},
                 {"MLP_UNSHARE_AT = 101", "GPT2_MAX_ITERS = 100", "from 1 to 100"});
  EXPECT_NO_THROW(validate(config({"MLP_UNSHARE_AT=100", "MLP_SHARE_LAYERS=2", "GPT2_MAX_ITERS=100"})));
}

TEST(Validate, RefusesMatricesThatLayersCanNotShare) {
  const char* shared = "SHARE_MAIN_MATRICES=y";
  expect_refused({shared, "GPT2_N_LAYER=1"},
                 {"GPT2_N_LAYER = 1", "SHARE_MAIN_MATRICES = y", "no other layer"});
  expect_refused({shared, "MLP_SHARE_LAYERS=2"}, {"MLP_SHARE_LAYERS = 2", "SHARE_MAIN_MATRICES = y"});
  expect_refused({shared, "GPT2_N_LAYER=2", "MLP_EXPANSION=4,3"}, {"MLP_EXPANSION = 4,3", "one expansion"});
  expect_refused({shared, "GPT2_N_LAYER=2", "RA_MLA_LATENT_DIM=64,32"},
                 {"RA_MLA_LATENT_DIM = 64,32", "one width"});
  EXPECT_NO_THROW(
      validate(config({shared, "GPT2_N_LAYER=2", "MLP_EXPANSION=3,3", "RA_MLA_LATENT_DIM=64,64"})));
}

TEST(Validate, RefusesAdaptersOfWhatThereIsNot) {
  const char *no1 = "RA_MLA_MLP_ATTN_GATE=n", *no2 = "RA_MLA_MLP_CROSS_TOKEN=n",
             *no3 = "RA_MLA_MLP_LATENT_RECIP=n", *attn = "USE_LORA_ATTN=y", *mlp = "USE_LORA_MLP=y";
  expect_refused({no1, no2, no3, attn, "GPT2_ATTENTION=n"}, {"USE_LORA_ATTN = y", "GPT2_ATTENTION = n"});
  expect_refused({no1, no2, no3, mlp, "MLP_EXPANSION=0"}, {"USE_LORA_MLP = y", "MLP_EXPANSION = 0"});
  expect_refused({mlp, "MLP_PER_HEAD=y"}, {"USE_LORA_MLP = y", "MLP_PER_HEAD = y"});
  EXPECT_NO_THROW(validate(config({attn, "MLP_PER_HEAD=y"})));
}

TEST(Validate, RefusesToFreezeAllOrNever) {
  const char *no1 = "RA_MLA_MLP_ATTN_GATE=n", *no2 = "RA_MLA_MLP_CROSS_TOKEN=n",
             *no3 = "RA_MLA_MLP_LATENT_RECIP=n", *bare = "NORM_AFFINE=n", *freeze = "LORA_FREEZE_BASE_AT=5";
  expect_refused({no1, no2, no3, bare, freeze}, {"LORA_FREEZE_BASE_AT = 5", "nothing is left to train"});
  // Reciprocal attention has no parameters.
  expect_refused({no1, no2, no3, bare, freeze, "RA_MLA_RA_ALPHA=0.5"}, {"nothing is left to train"});
  for (const auto* left : {"USE_LORA_ATTN=y", "NORM_AFFINE=y", "RA_MLA_LATENT_NORM=y", "MLP_LEARNED_WIDTH=y",
                           "RA_MLA_MLP_ATTN_GATE=y", "RA_MLA_FORM=deepseek"})
    EXPECT_NO_THROW(validate(config({no1, no2, no3, bare, freeze, left}))) << left;
  expect_refused({"MLP_SHARE_LAYERS=2", "MLP_UNSHARE_AT=7", "LORA_FREEZE_BASE_AT=7"},
                 {"MLP_UNSHARE_AT = 7", "LORA_FREEZE_BASE_AT = 7", "never part"});
  EXPECT_NO_THROW(validate(config({"MLP_SHARE_LAYERS=2", "MLP_UNSHARE_AT=6", "LORA_FREEZE_BASE_AT=7"})));
  expect_refused({"LORA_FREEZE_BASE_AT=101", "GPT2_MAX_ITERS=100"},
                 {"LORA_FREEZE_BASE_AT = 101", "GPT2_MAX_ITERS = 100", "from 1 to 100"});
}

TEST(Validate, RefusesFormsOfLatentAttentionThatDontGoTogether) {
  const char *deepseek = "RA_MLA_FORM=deepseek", *rotary = "POSITIONS=rotary", *ra = "RA_MLA_RA_ALPHA=0.5";
  expect_refused({rotary}, {"POSITIONS = rotary", "RA_MLA_ROPE_DIM = 0", "even number"});
  expect_refused({"RA_MLA_ROPE_DIM=32"}, {"RA_MLA_ROPE_DIM = 32", "POSITIONS to rotary"});
  expect_refused({rotary, "RA_MLA_ROPE_DIM=7"}, {"RA_MLA_ROPE_DIM = 7", "even"});
  expect_refused({rotary, "RA_MLA_ROPE_DIM=32", ra}, {"RA_MLA_RA_ALPHA = 0.5", "RA_MLA_ROPE_DIM = 32"});
  expect_refused({"RA_MLA_Q_LATENT_DIM=64"}, {"RA_MLA_Q_LATENT_DIM = 64", "RA_MLA_FORM to deepseek"});
  expect_refused({deepseek, ra}, {"RA_MLA_RA_ALPHA = 0.5", "RA_MLA_FORM = deepseek", "0"});
  expect_refused({deepseek, "RA_MLA_SHARED_KV=y"}, {"RA_MLA_SHARED_KV = y", "RA_MLA_FORM = deepseek"});
  expect_refused({deepseek, "RA_MLA_LATENT_NORM=y"}, {"RA_MLA_LATENT_NORM = y", "RA_MLA_FORM = deepseek"});
  expect_refused({"RA_MLA_LATENT_SOURCE=slice", "RA_MLA_LATENT_DIM=769"},
                 {"RA_MLA_LATENT_DIM = 769", "RA_MLA_LATENT_SOURCE = slice", "GPT2_N_EMBD = 768"});
  for (const auto* form : {deepseek, "RA_MLA_FORM=latent"})
    EXPECT_NO_THROW(validate(config({form, rotary, "RA_MLA_ROPE_DIM=32", "RA_MLA_LATENT_SOURCE=frozen"})));
  EXPECT_NO_THROW(validate(
      config({"ENABLE_RA_MLA=n", "RA_MLA_MLP_LATENT_RECIP=n", "RA_MLA_ROPE_DIM=7", "RA_MLA_Q_LATENT_DIM=4"})))
      << "of a latent attention that is off";
}

TEST(Validate, RefusesAResetThatComesBeforeTheWarmUpEnds) {
  expect_refused({"SPAM_INTERVAL=100", "SPAM_WARMUP_STEPS=100"},
                 {"SPAM_INTERVAL = 100", "SPAM_WARMUP_STEPS = 100"});
  EXPECT_NO_THROW(validate(config({"SPAM_INTERVAL=101", "SPAM_WARMUP_STEPS=100"})));
  for (const auto* off : {"OPTIMIZER=adamw", "SPAM_PERIODIC_RESET=n", "SPAM_WARMUP=n"})
    EXPECT_NO_THROW(validate(config({"SPAM_INTERVAL=1", off}))) << off;
}

TEST(Validate, AllowsWhatTheSpecificationAllows) {
  for (const auto& allowed : std::vector<std::vector<const char*>>{
           {"ENABLE_RA_MLA=n", "RA_MLA_MLP_LATENT_RECIP=n"},
           {"GPT2_N_LAYER=1", "RA_MLA_MLP_ATTN_GATE=n"},
           {"GPT2_N_EMBD=8", "GPT2_N_HEAD=2", "GPT2_VOCAB_SIZE=3", "GPT2_BLOCK_SIZE=1"},
           {"MLP_EXPANSION=0", "RA_MLA_MLP_ATTN_GATE=n", "RA_MLA_MLP_CROSS_TOKEN=n",
            "RA_MLA_MLP_LATENT_RECIP=n"},
           {"RA_MLA_LATENT_DIM=100"},
           {"RA_MLA_SHARED_KV=y", "RA_MLA_RA_ALPHA=0.5"}}) {
    auto settings = Settings::defaults();
    for (const auto* assignment : allowed) settings.set_assignment(assignment, "test");
    EXPECT_NO_THROW(validate(settings.bind())) << allowed.front();
  }
}

TEST(BlockedReason, IsForPoolingThatSeesTheFuture) {
  EXPECT_EQ(blocked_reason(config({})), "");
  EXPECT_NE(blocked_reason(config({"RA_MLA_MLP_GATE_POOL=sequence"})).find("RA_MLA_ALLOW_NONCAUSAL"),
            std::string::npos);
  EXPECT_EQ(blocked_reason(config({"RA_MLA_MLP_GATE_POOL=sequence", "RA_MLA_ALLOW_NONCAUSAL=y"})), "");
  EXPECT_EQ(blocked_reason(config({"RA_MLA_MLP_GATE_POOL=sequence", "RA_MLA_MLP_ATTN_GATE=n"})), "");
}

TEST(ArmName, ComesFromTheSwitches) {
  const char *no1 = "RA_MLA_MLP_ATTN_GATE=n", *no2 = "RA_MLA_MLP_CROSS_TOKEN=n",
             *no3 = "RA_MLA_MLP_LATENT_RECIP=n";
  EXPECT_EQ(arm_name(config({no1, no2, no3})), "mla");
  EXPECT_EQ(arm_name(config({no2, no3})), "gate");
  EXPECT_EQ(arm_name(config({no3})), "gate+cross");
  EXPECT_EQ(arm_name(config({})), "all");
  EXPECT_EQ(arm_name(config({no1, no2, no3, "ENABLE_RA_MLA=n"})), "mha");
  EXPECT_EQ(arm_name(config({no1, no2, no3, "RA_MLA_RA_ALPHA=0.5"})), "mla+ra");
  EXPECT_EQ(arm_name(config({no1, no2})), "recip");
  EXPECT_EQ(arm_name(config({no1, no2, no3, "GPT2_ATTENTION=n", "ENABLE_RA_MLA=n"})), "no-attention");
  EXPECT_NE(arm_name(config({no1, no2, "GPT2_N_LAYER=1"})), "recip")
      << "only a part of it can act in one block";
}

TEST(UnusedSymbols, AreThoseOfSwitchesThatAreOff) {
  const auto unused = [](Assignments assignments, const char* symbol) {
    const auto names = unused_symbols(config(assignments));
    return std::find(names.begin(), names.end(), symbol) != names.end();
  };
  struct Case {
    const char *symbol, *switch_on, *switch_off;
  };
  for (const auto& [symbol, on, off] :
       {Case{"RA_MLA_LATENT_DIM", "ENABLE_RA_MLA=y", "ENABLE_RA_MLA=n"},
        Case{"ENABLE_RA_MLA", "GPT2_ATTENTION=y", "GPT2_ATTENTION=n"},
        Case{"GPT2_N_KV_HEAD", "GPT2_ATTENTION=y", "GPT2_ATTENTION=n"},
        Case{"RA_MLA_SHARED_KV", "ENABLE_RA_MLA=y", "ENABLE_RA_MLA=n"},
        Case{"RA_MLA_PER_HEAD_V_UP", "RA_MLA_FORM=latent", "RA_MLA_FORM=deepseek"},
        Case{"RA_MLA_FORM", "ENABLE_RA_MLA=y", "ENABLE_RA_MLA=n"},
        Case{"RA_MLA_LATENT_SCALE", "RA_MLA_LATENT_DIM=64", "RA_MLA_LATENT_DIM=768"},
        Case{"RA_MLA_RA_WINDOW", "RA_MLA_RA_ALPHA=0.5", "RA_MLA_RA_ALPHA=0"},
        Case{"RA_MLA_MLP_GATE_DIM", "RA_MLA_MLP_ATTN_GATE=y", "RA_MLA_MLP_ATTN_GATE=n"},
        Case{"RA_MLA_MLP_CROSS_ALPHA", "RA_MLA_MLP_CROSS_TOKEN=y", "RA_MLA_MLP_CROSS_TOKEN=n"},
        Case{"RA_MLA_MLP_SPARSE_K", "RA_MLA_MLP_SPARSE_MODE=topk", "RA_MLA_MLP_SPARSE_MODE=rms"},
        Case{"RA_MLA_MLP_SPARSE_RMS_THRESHOLD", "RA_MLA_MLP_SPARSE_MODE=rms", "RA_MLA_MLP_SPARSE_MODE=none"},
        Case{"RA_MLA_MLP_SPARSE_NORMALIZE", "RA_MLA_MLP_SPARSE_MODE=rms", "RA_MLA_MLP_SPARSE_MODE=none"},
        Case{"RA_MLA_MLP_RECIP_ALPHA", "RA_MLA_MLP_LATENT_RECIP=y", "RA_MLA_MLP_LATENT_RECIP=n"},
        Case{"RA_MLA_MLP_LATENT_DIM", "RA_MLA_MLP_TYING_MODE=untied", "RA_MLA_MLP_TYING_MODE=tied_transpose"},
        Case{"MLP_SHARE_PATTERN", "MLP_SHARE_LAYERS=3", "MLP_SHARE_LAYERS=1"},
        Case{"MLP_SHARE_PATTERN", "MLP_SHARE_LAYERS=3", "MLP_SHARE_LAYERS=12"},
        Case{"MLP_SHARE_HEADS", "MLP_PER_HEAD=y", "MLP_PER_HEAD=n"},
        Case{"MLP_WIDTH_PENALTY", "MLP_LEARNED_WIDTH=y", "MLP_LEARNED_WIDTH=n"},
        Case{"MLP_EXPERTS_TOP", "MLP_EXPERTS=4", "MLP_EXPERTS=0"},
        Case{"MLP_BALANCE_WEIGHT", "MLP_EXPERTS=4", "MLP_EXPERTS=0"},
        Case{"LORA_RANK", "USE_LORA_ATTN=y", "USE_LORA_ATTN=n"},
        Case{"LORA_DROPOUT", "USE_LORA_MLP=y", "USE_LORA_MLP=n"},
        Case{"LORA_ALPHA", "USE_LORA_MLP=y", "USE_LORA_MLP=n"},
        Case{"SPAM_THETA", "SPAM_ENABLE_CLIP=y", "SPAM_ENABLE_CLIP=n"},
        Case{"SPAM_INTERVAL", "SPAM_PERIODIC_RESET=y", "OPTIMIZER=adamw"},
        Case{"SPAM_WARMUP_STEPS", "SPAM_WARMUP=y", "SPAM_WARMUP=n"},
        Case{"GPT2_MIN_LR", "GPT2_DECAY_LR=y", "GPT2_DECAY_LR=n"}}) {
    EXPECT_FALSE(unused({on}, symbol)) << symbol;
    EXPECT_TRUE(unused({off}, symbol)) << symbol;
  }
  for (const auto* mla : {"ENABLE_RA_MLA=y", "ENABLE_RA_MLA=n"}) {
    EXPECT_FALSE(unused({"POSITIONS=rotary", "RA_MLA_ROPE_DIM=4", mla}, "ROPE_BASE"));
    EXPECT_TRUE(unused({"POSITIONS=learned", mla}, "ROPE_BASE"));
  }
  EXPECT_TRUE(unused({"POSITIONS=rotary", "GPT2_N_EMBD=24", "ENABLE_RA_MLA=n"}, "ROPE_BASE"))
      << "one pair, of angle t";
  EXPECT_TRUE(unused({"POSITIONS=rotary", "RA_MLA_ROPE_DIM=2"}, "ROPE_BASE"));
  EXPECT_TRUE(unused({"MLP_EXPANSION=0", "NORM_KIND=rmsnorm"}, "GPT2_BIAS"));
  EXPECT_TRUE(unused({"MLP_EXPANSION=0", "NORM_AFFINE=n"}, "GPT2_BIAS"));
  EXPECT_FALSE(unused({"MLP_EXPANSION=0", "NORM_KIND=rmsnorm", "ENABLE_RA_MLA=n"}, "GPT2_BIAS"));
  EXPECT_FALSE(unused({"NORM_KIND=rmsnorm"}, "GPT2_BIAS"));
}

}  // namespace
}  // namespace kablate
