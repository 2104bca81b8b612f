// The gates themselves: each examines one step and gives its result, or nothing where it does not apply. All
// take configurations that are already cut.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "audit/audit.h"
#include "data/batch.h"

namespace kablate {

constexpr double kActs = 1e-8;  // a relative change in float64 that is far above rounding

// What a gate found; `step` and `check` are filled in by audit_step.
struct Finding {
  bool passed = false;
  std::string detail;
};

std::optional<Finding> off_identity(const Config& step, const Subject& subject);  // off_identity.cpp
std::optional<Finding> liveness(const Config& step, const Subject& subject);      // liveness.cpp
// `base`: the baseline, cut alike.
std::optional<Finding> symbols_act(const Config& step, const Config& base,
                                   const Subject& subject);                          // liveness.cpp
std::optional<Finding> dead_parameters(const Config& step, const Subject& subject);  // liveness.cpp
// causality.cpp; `whole` is the step cut to Cut::kLong.
std::optional<Finding> causality(const Config& step, const Config& whole, const Subject& subject);
std::optional<Finding> direction(const Config& step, const Subject& subject);  // direction.cpp
std::optional<Finding> padding(const Config& step, const Config& whole,
                               const Subject& subject);                         // direction.cpp
std::optional<Finding> bottleneck(const Config& step, const Subject& subject);  // bottleneck.cpp
std::optional<Finding> objective(const Config& step, const Subject& subject);   // objective.cpp
std::optional<Finding> labels(const Config& step);                              // labels.cpp: as configured
std::optional<Finding> decode_parity(const Config& step, const Subject& subject);     // decode_parity.cpp
std::optional<Finding> cache_size(const Config& step, const Subject& subject);        // decode_parity.cpp
std::optional<Finding> consistency(const Config& step, const Subject& subject);       // consistency.cpp
std::optional<Finding> positions(const Config& step, const Subject& subject);         // positions.cpp
std::optional<Finding> shift_invariance(const Config& step, const Subject& subject);  // positions.cpp
std::optional<Finding> sharing(const Config& step, const Subject& subject);           // sharing.cpp
std::optional<Finding> experts(const Config& step, const Subject& subject);           // experts.cpp
std::optional<Finding> adapters(const Config& step, const Subject& subject);          // adapters.cpp
std::optional<Finding> freezing(const Config& step, const Subject& subject);          // adapters.cpp
std::optional<Finding> initial_values(const Config& step, const Subject& subject);    // initial_values.cpp
// arithmetic.cpp, which runs the trial's loss at once and in pieces (config/model_options.h, Limits); `deep`
// is cut to Cut::kDeep, `whole` to Cut::kLong.
std::optional<Finding> every_layer(const Config& deep, const Subject& subject);
std::optional<Finding> arithmetic(const Config& whole, const Subject& subject);
std::optional<Finding> gradients(const Config& step, const Subject& subject);
// training.cpp: the trial's own loop.
std::optional<Finding> samples(const Config& step, const Subject& subject);
std::optional<Finding> evaluation(const Config& step, const Subject& subject);
std::optional<Finding> updates(const Config& step, const Subject& subject);
std::optional<Finding> optimizer(const Config& step, const Subject& subject);
std::optional<Finding> twin_training(const Config& step, const Subject& subject);
std::optional<Finding> pruning(const Config& step, const Subject& subject);  // pruning.cpp
// pairing.cpp; `asked` are the configurations before they were cut, which decide the samples.
std::optional<Finding> pairing(const Config& step, const Config& baseline, const Config& step_asked,
                               const Config& baseline_asked, const Subject& subject);
std::optional<Finding> dead_twin(const Config& twin, const Config& baseline,
                                 const Subject& subject);  // pairing.cpp

// "" or why the labels of these sequences are not those that the definition of DATASET gives their inputs
// (data/synthetic_task.h), written a second time, from inputs to labels. `tests`: of the test set.
std::string wrong_labels(const Config& config, const Batch& batch, bool tests);

// What the names of experts' maps have in the middle.
inline constexpr const char* kExpertNames = ".mlp.experts.";

// Experts get no token where a few tokens have others chosen. The same parameters with the rows of every
// router moved on by `by`: of all such moves one gives each expert the tokens that most experts' rows draw.
ParameterSet with_moved_routers(const ParameterSet& parameters, std::int64_t by);
// The same step with two experts of which none is left out, where some are: a rounding decides nothing then.
Config with_every_expert(Config config);
// Whether the tensor is of an expert that got no token in all of a training, where another of its layer did.
bool had_no_token(const Training& training, const std::string& name);

std::string type_name(at::ScalarType type);         // "float64" …
at::ScalarType trained_type(const Config& config);  // of matrix products, in the trial

// Logits and the gradients of the mean cross entropy, and of the critic's mean where there is one, by
// parameter; an undefined gradient where nothing reads a parameter. Computed where the parameters are, handed
// over on the CPU.
struct Evaluated {
  Tensor logits_BTV;
  std::map<std::string, Tensor> gradients;
};
Evaluated run_model(const Config& config, const ParameterSet& parameters, const Tensor& tokens_BT,
                    const Tensor& targets_BT, const Subject& subject);

}  // namespace kablate
