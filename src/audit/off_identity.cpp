// Off is the plain model: what remains when every switch is off has to be the baseline that the arm is
// compared with, to the last bit and the last parameter.
#include <ATen/ATen.h>

#include "audit/gates.h"
#include "audit/plain_model.h"
#include "base/text.h"
#include "config/mechanism.h"
#include "model/loss.h"

namespace kablate {
namespace {

// "" or what differs first.
std::string difference(const Config& off, at::ScalarType type, const Subject& subject) {
  const auto drawn = random_parameters(subject.parameters(off), 1);
  const auto parameters = type == at::kDouble ? drawn.to(at::kCPU, at::kDouble) : drawn;
  const Tensor tokens = random_tokens(off, 2, off.gpt.context, 2),
               targets = random_tokens(off, 2, off.gpt.context, 3);
  const Evaluated found = run_model(off, parameters, tokens, targets, subject);

  const auto own = parameters.to(at::kCPU, type == at::kDouble ? at::kDouble : at::kFloat);
  const PlainModel plain(off, own.by_name(), type);
  const Tensor logits = plain.logits(tokens);
  if (!at::equal(found.logits_BTV, logits))
    return str("logits, by ", relative_difference(found.logits_BTV, logits), " relative");
  Tensor loss = cross_entropy(logits, targets);
  if (off.objective.critic) loss = loss + plain.critic(tokens).mean();
  loss.backward();
  for (const auto& [name, tensor] : own.by_name()) {
    if (!tensor.requires_grad() && !found.gradients.at(name).defined()) continue;
    if (!tensor.grad().defined()) return name + " is not in the plain model";
    if (!found.gradients.at(name).defined() || !at::equal(found.gradients.at(name), tensor.grad()))
      return "the gradient of " + name;
  }
  return "";
}

}  // namespace

std::optional<Finding> off_identity(const Config& step, const Subject& subject) {
  const Config off = without_mechanisms(step);
  for (const auto type : {at::kDouble, trained_type(off)})
    if (const auto what = difference(off, type, subject); !what.empty())
      return Finding{false, str("with all mechanisms off, in ", type_name(type), ", differs: ", what)};
  return Finding{true, "all mechanisms off is the plain model to the bit: logits, gradients, parameters"};
}

}  // namespace kablate
