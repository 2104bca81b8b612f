#include "support/engine/model_fixture.h"

#include <cmath>
#include <random>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "base/rng.h"
#include "model/gpt.h"
#include "model/loss.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

const Deltas kSmall = {{"GPT2_N_LAYER", "3"},
                       {"GPT2_N_HEAD", "3"},
                       {"GPT2_N_EMBD", "12"},
                       {"GPT2_BLOCK_SIZE", "8"},
                       {"GPT2_VOCAB_SIZE", "11"},
                       {"GPT2_DROPOUT", "0"},
                       {"MLP_EXPANSION", "2"},
                       {"RA_MLA_LATENT_DIM", "6"},
                       {"RA_MLA_RA_WINDOW", "3"},
                       {"RA_MLA_MLP_GATE_DIM", "5"},
                       {"RA_MLA_MLP_GATE_ALPHA", "0.6"},
                       {"RA_MLA_MLP_CROSS_ALPHA", "0.7"},
                       {"RA_MLA_MLP_RECIP_ALPHA", "0.45"},
                       {"RA_MLA_MLP_SPARSE_K", "3"},
                       {"LORA_RANK", "3"},
                       {"LORA_ALPHA", "2"},
                       {"RA_MLA_MLP_SPARSE_RMS_THRESHOLD", "0.9"},
                       {"RA_MLA_MLP_ATTN_GATE", "n"},
                       {"RA_MLA_MLP_CROSS_TOKEN", "n"},
                       {"RA_MLA_MLP_LATENT_RECIP", "n"},
                       {"RA_MLA_ALLOW_NONCAUSAL", "y"}};

const std::pair<std::string, std::string> kMha{"ENABLE_RA_MLA", "n"}, kGate{"RA_MLA_MLP_ATTN_GATE", "y"},
    kCross{"RA_MLA_MLP_CROSS_TOKEN", "y"}, kRecip{"RA_MLA_MLP_LATENT_RECIP", "y"},
    kRa{"RA_MLA_RA_ALPHA", "0.8"}, kPerHead{"RA_MLA_MLP_SPARSE_HEAD_AVERAGE", "n"},
    kUnnormalized{"RA_MLA_MLP_SPARSE_NORMALIZE", "n"}, kUntied{"RA_MLA_MLP_TYING_MODE", "untied"},
    kScalar{"RA_MLA_MLP_TYING_MODE", "per_head_scalar"}, kSharedKv{"RA_MLA_SHARED_KV", "y"},
    kRotary{"POSITIONS", "rotary"}, kQkNorm{"QK_NORM", "y"}, kFourHeads{"GPT2_N_HEAD", "4"},
    kSwiglu{"GPT2_ACTIVATION", "swiglu"}, kPerHeadMlp{"MLP_PER_HEAD", "y"}, kFourLayers{"GPT2_N_LAYER", "4"},
    kShared{"MLP_SHARE_LAYERS", "2"}, kCyclic{"MLP_SHARE_PATTERN", "cyclic"},
    kLearned{"MLP_LEARNED_WIDTH", "y"}, kDeepseek{"RA_MLA_FORM", "deepseek"},
    kMasked{"OBJECTIVE", "masked_token"}, kBothWays{"ATTENTION_DIRECTION", "bidirectional"},
    kCritic{"CRITIC", "y"}, kSharedMain{"SHARE_MAIN_MATRICES", "y"}, kLoraAttn{"USE_LORA_ATTN", "y"},
    kLoraMlp{"USE_LORA_MLP", "y"}, kExperts{"MLP_EXPERTS", "3"}, kTwo{"MLP_EXPERTS_TOP", "2"},
    kAutoencoder{"AUTOENCODER", "y"}, kCompression{"DATASET", "compression"},
    kIds{"SYNTHETIC_VOCAB_SIZE", "11"};

std::pair<std::string, std::string> pool(const char* value) { return {"RA_MLA_MLP_GATE_POOL", value}; }
std::pair<std::string, std::string> sparse(const char* value) { return {"RA_MLA_MLP_SPARSE_MODE", value}; }

// Threads that wait for each other over a few hundred numbers
// take many times as long, more so beside other programs.
class OneThread : public testing::Environment {
 public:
  void SetUp() override { at::set_num_threads(1); }
};
[[maybe_unused]] const auto* const kOneThread = testing::AddGlobalTestEnvironment(new OneThread);

}  // namespace

Settings small_settings(const Deltas& deltas) { return changed(Settings::defaults(), kSmall + deltas); }
Config small_config(const Deltas& deltas) { return bound(small_settings(deltas)); }

// NOLINT(length): one line an arm
const std::vector<Arm>& arms() {
  static const std::vector<Arm> all = {
      {"Mha", {kMha}},
      {"MhaWithoutBias", {kMha, {"GPT2_BIAS", "n"}}},
      {"Mla", {}},
      {"MlaWithoutBias", {{"GPT2_BIAS", "n"}}},
      {"MlaSharedKv", {kSharedKv}},
      {"MlaOneQueryMap", {{"RA_MLA_PER_HEAD_Q_LATENT", "n"}}},
      {"MlaOneValueMap", {{"RA_MLA_PER_HEAD_V_UP", "n"}}},
      {"MlaNormed", {{"RA_MLA_LATENT_NORM", "y"}}},
      {"MlaScaled", {{"RA_MLA_LATENT_SCALE", "y"}}},
      {"MlaSlice", {{"RA_MLA_LATENT_SOURCE", "slice"}}},
      {"MlaFrozen", {{"RA_MLA_LATENT_SOURCE", "frozen"}}},
      {"MlaRotary", {kRotary, {"RA_MLA_ROPE_DIM", "4"}}},
      {"MlaRotaryOneMap", {kRotary, {"RA_MLA_ROPE_DIM", "2"}, {"RA_MLA_PER_HEAD_Q_LATENT", "n"}}},
      {"AllMlaNormedScaledRotary",
       {kGate,
        kCross,
        kRecip,
        kRotary,
        {"RA_MLA_ROPE_DIM", "4"},
        {"RA_MLA_LATENT_NORM", "y"},
        {"RA_MLA_LATENT_SCALE", "y"}}},
      {"AllMlaSliceNormed",
       {kGate, kCross, kRecip, {"RA_MLA_LATENT_SOURCE", "slice"}, {"RA_MLA_LATENT_NORM", "y"}}},
      {"AllMlaSliceReciprocal", {kGate, kCross, kRecip, kRa, {"RA_MLA_LATENT_SOURCE", "slice"}}},
      {"AllMlaSliceNormedSharedKv",
       {kGate, kCross, kRecip, kSharedKv, {"RA_MLA_LATENT_SOURCE", "slice"}, {"RA_MLA_LATENT_NORM", "y"}}},
      {"AllMlaFrozenNormedSharedKv",
       {kGate, kCross, kRecip, kSharedKv, {"RA_MLA_LATENT_SOURCE", "frozen"}, {"RA_MLA_LATENT_NORM", "y"}}},
      {"LatentWidthByLayer", {{"RA_MLA_LATENT_DIM", "6,3,5"}, {"RA_MLA_LATENT_SCALE", "y"}}},
      {"AllLatentWidthByLayerUntied", {kGate, kCross, kRecip, kUntied, {"RA_MLA_LATENT_DIM", "4,6,2"}}},
      {"DeepseekLatentWidthByLayer",
       {kRecip, kUntied, kDeepseek, kRotary, {"RA_MLA_ROPE_DIM", "4"}, {"RA_MLA_LATENT_DIM", "2,4,3"}}},
      {"Deepseek", {kDeepseek}},
      {"DeepseekRotary", {kDeepseek, kRotary, {"RA_MLA_ROPE_DIM", "6"}}},
      {"DeepseekQueryLatentScaled",
       {kDeepseek,
        kRotary,
        {"RA_MLA_ROPE_DIM", "2"},
        {"RA_MLA_Q_LATENT_DIM", "5"},
        {"RA_MLA_LATENT_SCALE", "y"}}},
      {"DeepseekSlice", {kDeepseek, {"RA_MLA_LATENT_SOURCE", "slice"}}},
      {"DeepseekSliceRotary",
       {kDeepseek, kRotary, {"RA_MLA_ROPE_DIM", "4"}, {"RA_MLA_LATENT_SOURCE", "slice"}}},
      {"DeepseekFrozen", {kDeepseek, kRotary, {"RA_MLA_ROPE_DIM", "4"}, {"RA_MLA_LATENT_SOURCE", "frozen"}}},
      {"AllDeepseek",
       {kGate, kCross, kRecip, kDeepseek, kRotary, {"RA_MLA_ROPE_DIM", "4"}, {"RA_MLA_LATENT_SCALE", "y"}}},
      {"AllDeepseekPerHeadUntied", {kGate, kCross, kRecip, kDeepseek, kPerHead, kUntied, sparse("none")}},
      {"Reciprocal", {kRa}},
      {"ReciprocalWindow0", {kRa, {"RA_MLA_RA_WINDOW", "0"}}},
      {"ReciprocalWindowPastT", {kRa, {"RA_MLA_RA_WINDOW", "64"}, {"RA_MLA_PER_HEAD_Q_LATENT", "n"}}},
      {"GateCausalMean", {kGate}},
      {"GateToken", {kGate, pool("token")}},
      {"GateSequence", {kGate, pool("sequence")}},
      {"MhaGate", {kMha, kGate}},
      {"CrossTopK", {kCross}},
      {"CrossTopKUnnormalized", {kCross, kUnnormalized}},
      {"CrossTopKPerHead", {kCross, kPerHead}},
      {"CrossNone", {kCross, sparse("none")}},
      {"CrossNonePerHead", {kCross, sparse("none"), kPerHead}},
      {"CrossRms", {kCross, sparse("rms")}},
      {"CrossRmsUnnormalized", {kCross, sparse("rms"), kUnnormalized}},
      {"CrossRmsPerHead", {kCross, sparse("rms"), kPerHead}},
      {"CrossRmsEmptyRows", {kCross, sparse("rms"), {"RA_MLA_MLP_SPARSE_RMS_THRESHOLD", "1.2"}}},
      {"CrossRank", {kCross, {"RA_MLA_MLP_CROSS_RANK", "7"}}},
      {"CrossRankPerHead", {kCross, kPerHead, {"RA_MLA_MLP_CROSS_RANK", "7"}}},
      {"CrossDetached", {kCross, {"RA_MLA_MLP_CROSS_DETACH", "y"}}},
      {"CrossDetachedPerHead", {kCross, kPerHead, {"RA_MLA_MLP_CROSS_DETACH", "y"}}},
      {"CrossReciprocal", {kCross, kRa}},
      {"MhaCross", {kMha, kCross}},
      {"RecipTiedTranspose", {kRecip}},
      {"RecipUntied", {kRecip, kUntied}},
      {"RecipUntiedBottleneck", {kRecip, kUntied, {"RA_MLA_MLP_LATENT_DIM", "5"}}},
      {"RecipPerHeadScalar", {kRecip, kScalar}},
      {"RecipPerHeadScalarUnevenHeads", {kRecip, kScalar, {"RA_MLA_LATENT_DIM", "8"}}},
      {"RecipSharedKv", {kRecip, kSharedKv}},
      {"GateCross", {kGate, kCross}},
      {"All", {kGate, kCross, kRecip}},
      {"AllReciprocalUntied", {kGate, kCross, kRecip, kRa, kUntied, kSharedKv}},
      {"AllPost", {kGate, kCross, kRecip, {"NORM_PLACEMENT", "post"}}},
      {"AllHybrid", {kGate, kCross, kRecip, {"NORM_PLACEMENT", "hybrid"}}},
      {"Post", {{"NORM_PLACEMENT", "post"}}},
      {"Hybrid", {{"NORM_PLACEMENT", "hybrid"}}},
      {"RmsNorm", {{"NORM_KIND", "rmsnorm"}}},
      {"NormsWithoutParameters", {{"NORM_AFFINE", "n"}}},
      {"AllRmsNormWithoutParametersHybrid",
       {kGate, kCross, kRecip, {"NORM_KIND", "rmsnorm"}, {"NORM_AFFINE", "n"}, {"NORM_PLACEMENT", "hybrid"}}},
      {"RmsNormPost", {{"NORM_KIND", "rmsnorm"}, {"NORM_PLACEMENT", "post"}}},
      {"WithoutPositions", {{"POSITIONS", "none"}}},
      {"AllWithoutPositions", {kGate, kCross, kRecip, sparse("none"), {"POSITIONS", "none"}}},
      {"Rotary", {kMha, kRotary}},
      {"RotaryBase", {kMha, kRotary, {"ROPE_BASE", "7.5"}, {"GPT2_BIAS", "n"}}},
      {"RotaryGateCross", {kMha, kRotary, kGate, kCross}},
      {"QkNorm", {kMha, kQkNorm}},
      {"RotaryQkNormCross", {kMha, kRotary, kQkNorm, kCross, kPerHead, sparse("none")}},
      {"OneHeadOfKeys", {kMha, {"GPT2_N_KV_HEAD", "1"}}},
      {"GroupsOfQueries", {kMha, kFourHeads, {"GPT2_N_KV_HEAD", "2"}}},
      {"GroupsGateCross", {kMha, kFourHeads, {"GPT2_N_KV_HEAD", "2"}, kGate, kCross}},
      {"GroupsRotaryQkNormRmsNorm",
       {kMha,
        {"GPT2_N_EMBD", "24"},
        {"GPT2_N_HEAD", "6"},
        {"GPT2_N_KV_HEAD", "2"},
        kRotary,
        kQkNorm,
        {"NORM_KIND", "rmsnorm"},
        kCross,
        kPerHead}},
      {"GeluTanh", {{"GPT2_ACTIVATION", "gelu_tanh"}}},
      {"Relu2", {{"GPT2_ACTIVATION", "relu2"}}},
      {"Swiglu", {kSwiglu, {"MLP_EXPANSION", "1.34"}}},
      {"AllSwiglu", {kGate, kCross, kRecip, kSwiglu}},
      {"ExpansionByLayer", {{"MLP_EXPANSION", "2,1,3"}}},
      {"NoMlpInLayer0", {kGate, kCross, kRecip, {"MLP_EXPANSION", "0,2,1"}}},
      {"NoMlpInLayer1", {kGate, kCross, kRecip, kSharedKv, {"MLP_EXPANSION", "2,0,1"}}},
      {"NoMlpInLayer2", {kGate, kCross, kRecip, kUntied, {"MLP_EXPANSION", "1,2,0"}}},
      {"SharedMlps", {kFourLayers, kShared}},
      {"SharedMlpsCyclic", {kFourLayers, kShared, kCyclic, {"MLP_EXPANSION", "2,1,2,1"}}},
      {"OneMlpForAll", {kGate, kCross, kRecip, kSwiglu, {"MLP_SHARE_LAYERS", "3"}}},
      {"MlpPerHead", {kPerHeadMlp}},
      {"MlpPerHeadWithoutBias", {kPerHeadMlp, kSwiglu, {"GPT2_BIAS", "n"}}},
      {"MlpPerHeadShared",
       {kPerHeadMlp, kFourLayers, kShared, {"GPT2_N_HEAD", "4"}, {"MLP_SHARE_HEADS", "2"}}},
      {"AllMlpPerHead", {kGate, kCross, kRecip, kPerHeadMlp, kSwiglu, kPerHead}},
      {"OneMlpForAllHeads",
       {kGate, kCross, kRecip, kPerHeadMlp, {"MLP_SHARE_HEADS", "3"}, {"MLP_SHARE_LAYERS", "3"}}},
      {"LearnedWidth", {kLearned}},
      {"SharedMlpsLearnedWidth", {kFourLayers, kShared, kLearned, kPerHeadMlp, {"GPT2_BIAS", "n"}}},
      {"AllLearnedWidth", {kGate, kCross, kRecip, kSwiglu, kLearned, {"MLP_EXPANSION", "2,0,1"}}},
      {"Experts", {kMha, kExperts}},
      {"ExpertsTwo", {kExperts, kTwo, {"GPT2_BIAS", "n"}}},
      {"ExpertsSwigluByLayer", {kMha, kExperts, kTwo, kSwiglu, {"MLP_EXPANSION", "2,0,1"}}},
      {"ExpertsRelu2Post", {{"MLP_EXPERTS", "2"}, {"GPT2_ACTIVATION", "relu2"}, {"NORM_PLACEMENT", "post"}}},
      {"AllExpertsOfTwo", {{"MLP_EXPERTS", "2"}, kTwo, {"GPT2_ACTIVATION", "gelu_tanh"}}},
      {"GateExperts", {kGate, kExperts, pool("token")}},
      {"GateExpertsTwoSwiglu", {kMha, kGate, kExperts, kTwo, kSwiglu}},
      {"SharedExperts", {kFourLayers, kShared, kExperts, kTwo}},
      {"SharedExpertsCyclicGate", {kFourLayers, kShared, kCyclic, kGate, kExperts}},
      {"ReciprocalExpertsLora", {kRa, kExperts, kLoraAttn}},
      {"BidirectionalExperts", {kMha, kMasked, kBothWays, kExperts, kTwo}},
      {"CriticExperts", {kMha, kMasked, kBothWays, kCritic, kExperts}},
      {"Lora", {kMha, kLoraAttn, kLoraMlp}},
      {"LoraAttentionAlone", {kMha, kLoraAttn, {"LORA_RANK", "4"}, {"GPT2_BIAS", "n"}}},
      {"MlaLora", {kLoraAttn, kLoraMlp, {"RA_MLA_ROPE_DIM", "2"}, kRotary}},
      {"AllMlaLora", {kGate, kCross, kRecip, kLoraAttn, kLoraMlp}},
      {"SharedMatrices", {kMha, kSharedMain}},
      {"SharedMatricesRotaryGroupsSwiglu",
       {kMha, kSharedMain, {"GPT2_N_KV_HEAD", "1"}, kRotary, kSwiglu, {"GPT2_BIAS", "n"}}},
      {"SharedMatricesLora", {kMha, kSharedMain, kLoraAttn, kLoraMlp}},
      {"SharedMatricesMlpPerHead", {kSharedMain, kPerHeadMlp, kLoraAttn}},
      {"AllMlaSharedMatrices", {kGate, kCross, kRecip, kSharedMain, {"RA_MLA_LATENT_NORM", "y"}}},
      {"AllMlaSharedMatricesLora",
       {kGate,
        kCross,
        kRecip,
        kSharedMain,
        kLoraAttn,
        kLoraMlp,
        kSharedKv,
        kRotary,
        {"RA_MLA_ROPE_DIM", "2"}}},
      {"DeepseekSharedMatricesLora",
       {kDeepseek,
        kSharedMain,
        kLoraAttn,
        kLoraMlp,
        kRotary,
        {"RA_MLA_ROPE_DIM", "4"},
        {"RA_MLA_Q_LATENT_DIM", "6"}}},
      {"DeepseekSliceLora", {kDeepseek, kLoraAttn, kLoraMlp, {"RA_MLA_LATENT_SOURCE", "slice"}}},
      {"LoraFrozenDownMaps", {kLoraAttn, kLoraMlp, {"RA_MLA_LATENT_SOURCE", "frozen"}}},
      {"SharedMlpsLora", {kFourLayers, kShared, kSwiglu, kLoraAttn, kLoraMlp}},
      {"LearnedWidthLora", {kMha, kLearned, kSharedMain, kLoraAttn, kLoraMlp}},
      {"LoraFrozenBase", {kMha, kLoraAttn, kLoraMlp, {"LORA_FREEZE_BASE_AT", "1"}}},
      {"AllSharedMatricesLoraFrozenBase",
       {kGate, kCross, kRecip, kSharedMain, kLoraAttn, kLoraMlp, {"LORA_FREEZE_BASE_AT", "1"}}},
      {"Bidirectional", {kMha, kMasked, kBothWays}},
      {"BidirectionalMla", {kMasked, kBothWays, {"GPT2_WEIGHT_TYING", "n"}}},
      {"BidirectionalRotaryGroups",
       {kMha,
        kMasked,
        kBothWays,
        kRotary,
        {"GPT2_N_EMBD", "24"},
        {"GPT2_N_HEAD", "6"},
        {"GPT2_N_KV_HEAD", "2"},
        {"NORM_KIND", "rmsnorm"}}},
      {"BidirectionalDeepseek",
       {kMasked, kBothWays, kDeepseek, kRotary, {"RA_MLA_ROPE_DIM", "2"}, {"MASK_SCHEDULE", "uniform"}}},
      {"BidirectionalReciprocal", {kMasked, kBothWays, kRa}},
      {"BidirectionalGateToken", {kMasked, kBothWays, kGate, pool("token")}},
      {"BidirectionalGateSequence", {kMha, kMasked, kBothWays, kGate, pool("sequence")}},
      {"BidirectionalCrossRmsPerHead",
       {kMha,
        kMasked,
        kBothWays,
        kCross,
        sparse("rms"),
        kPerHead,
        {"RA_MLA_MLP_SPARSE_RMS_THRESHOLD", "0.73"}}},
      {"BidirectionalCrossNone", {kMasked, kBothWays, kCross, sparse("none"), kRa}},
      {"AllBidirectional", {kGate, kCross, kRecip, kMasked, kBothWays}},
      {"Critic", {kMha, kMasked, kBothWays, kCritic, {"MASK_RATE", "0.4"}}},
      {"AllCriticUniform",
       {kGate, kCross, kRecip, kMasked, kBothWays, kCritic, {"MASK_SCHEDULE", "uniform"}}},
      {"SharedMatricesLoraCritic", {kMha, kMasked, kBothWays, kCritic, kSharedMain, kLoraAttn, kLoraMlp}},
      {"Autoencoder", {kMha, kAutoencoder, kCompression, kIds}},
      {"AutoencoderWithoutBiasRmsNormUntiedHead",
       {kAutoencoder,
        kCompression,
        kIds,
        {"GPT2_BIAS", "n"},
        {"NORM_KIND", "rmsnorm"},
        {"GPT2_WEIGHT_TYING", "n"}}},
      {"AllAutoencoderOddWidth",
       {kGate, kCross, kRecip, kAutoencoder, kCompression, kIds, {"GPT2_N_EMBD", "15"}}},
      {"AutoencoderRotaryExpertsLora",
       {kMha, kRotary, kExperts, kLoraAttn, kAutoencoder, kCompression, kIds}},
      {"UntiedHead", {{"GPT2_WEIGHT_TYING", "n"}}},
      {"WithoutMlp", {{"MLP_EXPANSION", "0"}}},
      {"WithoutAttention", {{"GPT2_ATTENTION", "n"}}},
      {"WithoutAttentionHybrid", {{"GPT2_ATTENTION", "n"}, {"NORM_PLACEMENT", "hybrid"}}},
      {"MhaWithoutMlp", {kMha, {"MLP_EXPANSION", "0"}}},
      {"FractionalExpansion", {kGate, kCross, kRecip, {"MLP_EXPANSION", "1.37"}}},
      {"OneLayer", {{"GPT2_N_LAYER", "1"}}},
      {"OneLayerCrossRecip", {kCross, kRecip, kUntied, {"GPT2_N_LAYER", "1"}}},
  };
  return all;
}

std::vector<Arm> causal_arms() {
  std::vector<Arm> causal;
  for (const auto& arm : arms())
    if (const auto config = small_config(arm.deltas); !config.bidirectional() && !config.gpt.autoencoder)
      causal.push_back(arm);
  return causal;
}

void PrintTo(const Arm& arm, std::ostream* out) { *out << arm.name; }
std::string arm_test_name(const testing::TestParamInfo<Arm>& info) { return info.param.name; }

ParameterSet random_parameters(const Config& config, std::uint64_t seed) {
  return random_parameters(model_parameters(config), seed);
}

ParameterSet in_double(const ParameterSet& parameters) { return parameters.to(at::kCPU, at::kDouble); }

Sequences random_sequences(const Config& config, std::int64_t B, std::int64_t T, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<std::int64_t> token(0, config.gpt.vocabulary - 1);
  Sequences sequences;
  for (auto* ids : {&sequences.inputs, &sequences.targets}) {
    ids->assign(static_cast<std::size_t>(B), std::vector<std::int64_t>(static_cast<std::size_t>(T)));
    for (auto& row : *ids)
      for (auto& id : row) id = token(random);
  }
  return sequences;
}

Tensor as_tensor(const std::vector<std::vector<std::int64_t>>& ids) {
  std::vector<Tensor> rows;
  for (const auto& row : ids) rows.push_back(at::tensor(row, at::kLong));
  return at::stack(rows);
}

reference::Weights plain_weights(const ParameterSet& parameters) {
  reference::Weights weights;
  for (const auto& [name, tensor] : parameters.by_name()) {
    const Tensor flat = tensor.detach().to(at::kDouble).contiguous();
    const double* values = flat.const_data_ptr<double>();
    weights[name] = {tensor.sizes().vec(), reference::Vector(values, values + flat.numel())};
  }
  return weights;
}

double relative_difference(const Tensor& a_BTV, const std::vector<reference::Matrix>& b) {
  Tensor expected = at::empty(a_BTV.sizes(), at::kDouble);
  double* out = expected.data_ptr<double>();
  for (const auto& sequence : b)
    for (const auto& row : sequence) out = std::copy(row.begin(), row.end(), out);
  return relative_difference(a_BTV, expected);
}

std::map<std::string, Tensor> loss_gradients(const Config& config, const ParameterSet& parameters,
                                             const Sequences& sequences) {
  const Gpt model(config, parameters);
  const Head head = model.head(as_tensor(sequences.inputs));
  Tensor loss = cross_entropy(head.logits(), as_tensor(sequences.targets));
  if (config.objective.critic) loss = loss + model.critic(head.values_BTE).mean();
  loss.backward();
  std::map<std::string, Tensor> gradients;
  for (const auto& [name, tensor] : parameters.by_name()) {
    gradients[name] = tensor.grad().defined() ? tensor.grad().clone() : at::zeros_like(tensor);
    tensor.mutable_grad() = Tensor();
  }
  return gradients;
}

}  // namespace kablate
