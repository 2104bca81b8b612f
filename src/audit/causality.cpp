// No token may see its future: not in the reference type, not in the trial's own, not with dropout.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "audit/gates.h"
#include "base/text.h"
#include "config/mechanism.h"

namespace kablate {
namespace {

constexpr std::int64_t kSequences = 2;

// Of the logits in float64: how an expert's products round a row may hang on how many rows stand beside it.
double rounding(const Config& config) { return config.mlp.selects() ? 1e-10 : 0; }

// The first position whose logits differ between tokens that are equal before `changed`; T if there is none.
std::int64_t first_difference(const Config& config, const ParameterSet& parameters, std::int64_t T,
                              std::int64_t changed, const Dropout& dropout, const Subject& subject) {
  const Tensor before = random_tokens(config, kSequences, T, 8);
  Tensor after = before.clone();
  after.narrow(1, changed, T - changed).add_(1).remainder_(config.gpt.vocabulary);
  const Tensor found = subject.logits(config, parameters, before, dropout).detach(),
               other = subject.logits(config, parameters, after, dropout).detach();
  const Tensor most = found.abs().amax() * rounding(config);
  const Tensor equal_T = (found - other).abs().le(most).all(2).all(0);
  const Tensor differs = equal_T.logical_not().nonzero();
  return differs.numel() == 0 ? T : differs[0][0].item<std::int64_t>();
}

// 1 more than a power of two is a multiple of no tile; 4 more is none either, and dropout's kernels take it.
std::vector<std::int64_t> lengths(std::int64_t context) {
  std::vector<std::int64_t> chosen;
  for (const auto T : std::initializer_list<std::int64_t>{context, context / 2 + 1, 17, 20, 65, 68, 2})
    if (T > 1 && T <= context && std::find(chosen.begin(), chosen.end(), T) == chosen.end())
      chosen.push_back(T);
  return chosen;
}

// "" or where the future was seen.
std::string leak(const Config& config, const ParameterSet& parameters, bool training,
                 const std::vector<std::int64_t>& all_lengths, const Subject& subject) {
  const at::AutoGradMode mode(training);
  const Dropout dropout = training && config.drops() ? Dropout(config.gpt.dropout, 1, {10, 11}) : Dropout();
  for (const auto T : all_lengths)
    for (const auto changed : {std::int64_t{1}, T / 2, T - 1}) {
      const auto first = first_difference(config, parameters, T, changed, dropout, subject);
      if (first < changed)
        return str("with ", T, " tokens in ", training ? "training" : "evaluation", ", position ", first,
                   " sees tokens from ", changed, " on");
    }
  return "";
}

}  // namespace

std::optional<Finding> causality(const Config& given, const Config& given_whole, const Subject& subject) {
  // An autoencoder says the first token from the last one's state: what must be causal are its blocks.
  const auto blocks = [](Config config) {
    config.gpt.autoencoder = false;
    return config;
  };
  const Config step = blocks(given), whole = blocks(given_whole);
  if (step.gpt.context < 2 || step.bidirectional()) return {};  // there is no future, or it is to be seen
  const bool longer = whole.gpt.context > step.gpt.context;
  for (const auto type : {at::kDouble, trained_type(step)}) {
    const bool own = type != at::kDouble;  // where a rounding may have another expert chosen
    const auto drawn = [&](const Config& config) {
      const auto parameters = random_parameters(subject.parameters(config), 9);
      return own ? parameters : parameters.to(at::kCPU, at::kDouble);
    };
    const Config asked = own ? with_every_expert(step) : step, long_asked = with_every_expert(whole);
    for (const bool training : {false, true}) {
      auto what = leak(asked, drawn(asked), training, lengths(step.gpt.context), subject);
      // A tile that is left out shows only where a context is long enough to have it.
      if (what.empty() && longer && own)
        what = leak(long_asked, drawn(long_asked), training, {whole.gpt.context}, subject);
      if (what.empty()) continue;
      const auto where = str("in ", type_name(type), " ", what);
      if (!why_future_is_seen(step).empty() && step.run.allow_noncausal)
        return Finding{true, "NOT CAUSAL, as RA_MLA_ALLOW_NONCAUSAL = y allows: " + where};
      return Finding{false, where};
    }
  }
  const auto types = step.mlp.selects()
                         ? str("in ", type_name(at::kDouble), ", but for rounding, and with every expert in ",
                               type_name(trained_type(step)))
                         : str("in ", type_name(at::kDouble), " and ", type_name(trained_type(step)));
  return Finding{
      true,
      str("tokens after a position change no bit before it: ", types, ", in training and evaluation, with ",
          lengths(step.gpt.context).size() + (longer ? 1 : 0), " lengths up to ", whole.gpt.context)};
}

}  // namespace kablate
