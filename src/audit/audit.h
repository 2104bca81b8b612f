// The gates: what must hold for an arm before an hour is spent on training it (a failed gate blocks the arm,
// and its reason stands in the table). Start here in audit/.
//
// Every gate works on a model cut in depth and width, with all of its switches as configured, and with random
// weights of order 1 (cut.h, subject.h). It asks the program itself, through Subject, so that a test can put
// a faulty program in its place.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "audit/subject.h"
#include "config/config.h"
#include "plan/plan.h"
#include "record/gate_check.h"

namespace kablate {

struct AuditedStep {
  std::int64_t number = 0;
  Config config;
  bool dead_twin = false;  // a declared control: mechanisms present with mixing weight 0
};

// The gates that apply to `step`, in this order:
//
//   off_identity     all mechanisms off is the plain model to the bit: logits, gradients, parameters
//   liveness         each mechanism, at its weight, moves the logits by at least 1e-3 relative
//   dead_parameters  every tensor of parameters gets a gradient that is not zero
//   causality        tokens after i change no bit of the logits up to i, up to the whole context; of an
//                    autoencoder, of its blocks without the decoder
//   direction        where attention is bidirectional a token's logits hang on those after it
//   padding          there, and where sequences are lines, what stands at padded positions changes no bit of
//                    the others' logits
//   bottleneck       an autoencoder says every token from the last one's state alone, which knows the first
//   objective        the loss of masked tokens, and the critic's, are the contract's: of the same masks for
//                    every arm, of masked positions alone, of a critic that sees what was filled in alone
//   labels           of data that are made from a seed they follow from the inputs
//   consistency      logits depend on weights and tokens alone: not on what else is in the batch, on earlier
//                    calls, on whether gradients are recorded, or on a dropout that drops nothing
//   positions        the order of earlier tokens counts in a model of one block, unless it has no positions
//   shift_invariance with rotary positions the logits hang on distances alone
//   sharing          a shared MLP computes and learns as equal ones would, of those alone that share it
//   experts          their order does not count, ties go to the lower, and the loop balances by the contract
//   gradients        every tensor's gradient is the derivative of the loss, in float64
//   every_layer      at the real depth and number of heads every row of every map gets a gradient
//   arithmetic       the trial's type and device give float64's logits and gradients, at the whole context
//   initial_values   every map is drawn by the seed, no two alike, with the deviation that it should have
//   decode_parity    decoding token by token from the cache gives the logits of the full pass
//   cache_size       decoding keeps as many bytes as the formulas declare
//   samples          the trial's loop reads the samples that are its own, other ones under another seed
//   evaluation       its validation loss is that of the contract's windows, without dropout
//   optimizer        equal gradients move all tensors as the optimizer's equations do
//   updates          pieces give the loss and gradient of the whole batch; rates follow the schedule; every
//                    tensor moves
//   pruning          maps lose the entries of least score when they are due, as many as are due, and for good
//   twin_training    with the mechanisms' weights 0 the loop trains as without them, to the bit
//   pairing          what is shared with the baseline starts from the same bits, on the same samples
//   dead_twin        a declared dead twin has the baseline's logits and gradients to the bit
//
// A dead twin is exempt from liveness, dead_parameters, every_layer and updates. The trial's loop runs on
// its own DEVICE, the other gates on the CPU. REQUIRES: validate() accepts both configurations.
std::vector<GateCheck> audit_step(const AuditedStep& step, const AuditedStep& baseline,
                                  const Subject& subject = program());

// Every selected step of a plan against its baseline, selected or not; a rerun has its target's results.
std::vector<GateCheck> audit_plan(const Plan& plan, const Subject& subject = program());

// "gate failed: liveness (…); causality (…)", or "" if the step has passed all of its gates.
std::string failed_gates(const std::vector<GateCheck>& checks, std::int64_t step);

}  // namespace kablate
