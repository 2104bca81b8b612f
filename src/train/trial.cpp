#include "train/trial.h"

#include <algorithm>
#include <cmath>

#include <unistd.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "config/settings.h"
#include "data/sample_order.h"
#include "generate/sample.h"
#include "measure/machine.h"
#include "measure/memory.h"
#include "measure/throughput.h"
#include "model/kernel/cpu_kernels.h"
#include "record/claim.h"
#include "record/metrics.h"
#include "record/reader.h"
#include "record/writer.h"
#include "shape/model_shape.h"
#include "train/checkpoint.h"
#include "train/evaluator.h"
#include "train/mechanism_log.h"
#include "train/session.h"
#include "train/stop_signal.h"

namespace kablate {
namespace {

constexpr double kSaveSeconds = 300;  // between evaluations, so that a crash costs minutes at the most

class TrialLoop {
 public:
  TrialLoop(const TrialFolder& folder, const TrialOrder& order, const Claim& claim, Session& session);
  TrialOutcome run();

 private:
  void resume();
  void save();
  bool evaluation_due() const;
  bool evaluate_now();  // false: the loss is no number
  TrialOutcome diverged(const std::string& reason);
  bool update();  // false: diverged, nothing was changed
  void log_row(const StepResult& result);
  Json rates(double ms) const;
  std::optional<double> ms_per_iter() const;  // of this attempt, or of the one before if this one was short
  void finish();
  TrialSummary summary() const;
  void write_sample() const;
  void throw_if_claim_lost() const;

  const TrialFolder& folder_;
  const TrialOrder& order_;
  const Claim& claim_;
  Session& session_;
  const Config& config_;
  double peak_flops_ = 0;
  std::int64_t iteration_ = 0;  // updates made
  std::int64_t interruptions_ = 0;
  double earlier_train_seconds_ = 0, earlier_wall_seconds_ = 0;
  std::optional<double> earlier_ms_per_iter_;
  std::int64_t peak_bytes_ = 0;
  UpdateCounts counts_;
  IterationTimes times_;
  Stopwatch wall_, since_save_;
  std::string started_ = utc_now();
  std::optional<Losses> losses_;
  std::unique_ptr<MetricsLog> metrics_;
};

TrialLoop::TrialLoop(const TrialFolder& folder, const TrialOrder& order, const Claim& claim, Session& session)
    : folder_(folder), order_(order), claim_(claim), session_(session), config_(session.config) {
  peak_flops_ = matmul_flops_per_second(session.device, config_.run.dtype);
  resume();
  metrics_ = std::make_unique<MetricsLog>(folder, iteration_);
}

void TrialLoop::resume() {
  auto checkpoint = load_checkpoint(folder_.checkpoint());
  if (!checkpoint) return;
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : session_.parameters.by_name()) tensor.copy_(checkpoint->weights.at(name));
  session_.optimizer->load_state(checkpoint->optimizer);
  iteration_ = checkpoint->iteration;
  interruptions_ = checkpoint->interruptions + 1;
  earlier_train_seconds_ = checkpoint->train_seconds;
  earlier_wall_seconds_ = checkpoint->wall_seconds;
  counts_ = checkpoint->counts;
  peak_bytes_ = checkpoint->peak_tensor_bytes;
  earlier_ms_per_iter_ = checkpoint->ms_per_iter;
  log_info(str("going on from iteration ", iteration_));
}

void TrialLoop::throw_if_claim_lost() const {
  if (!claim_.held())
    throw WorkError(
        "another process took this trial over while this one stood still; nothing more is written here");
}

void TrialLoop::save() {
  throw_if_claim_lost();
  metrics_->flush();
  save_checkpoint(folder_.checkpoint(), {.iteration = iteration_,
                                         .interruptions = interruptions_,
                                         .train_seconds = earlier_train_seconds_ + times_.total_seconds(),
                                         .wall_seconds = earlier_wall_seconds_ + wall_.seconds(),
                                         .counts = counts_,
                                         .peak_tensor_bytes = peak_bytes_,
                                         .ms_per_iter = ms_per_iter(),
                                         .weights = session_.parameters.by_name(),
                                         .optimizer = session_.optimizer->state()});
  since_save_.restart();
}

bool TrialLoop::evaluation_due() const {
  return iteration_ == config_.train.max_iters ||
         (iteration_ > 0 && iteration_ % config_.train.eval_interval == 0);
}

bool TrialLoop::evaluate_now() {
  losses_ = evaluate(config_, session_.model, head_cross_entropy, *session_.data, session_.device,
                     throw_if_stop_requested);
  metrics_->append({{"kind", "eval"},
                    {"iteration", iteration_},
                    {"train_loss", losses_->train},
                    {"val_loss", losses_->validation}});
  log_info(str("iteration ", iteration_, ": training loss ", fixed(losses_->train, 4), ", validation loss ",
               fixed(losses_->validation, 4)));
  if (!std::isfinite(losses_->train) || !std::isfinite(losses_->validation)) return false;
  for (const auto& row : mechanism_rows(config_, session_.model, *session_.data, session_.device, iteration_))
    metrics_->append(row);
  return true;
}

TrialOutcome TrialLoop::diverged(const std::string& reason) {
  log_error(reason);
  write_failure(folder_,
                {.status = "diverged", .reason = reason, .exit_code = {}, .signal = {}, .log_tail = ""});
  return TrialOutcome::kDiverged;
}

TrialOutcome TrialLoop::run() {
  reset_peak_tensor_bytes(session_.device);
  try {
    while (true) {
      if (evaluation_due()) {
        const bool last = iteration_ == config_.train.max_iters;
        if (last) save();  // what follows the last update may take minutes and be stopped too
        if (!evaluate_now())
          return diverged(str("the loss was no finite number after iteration ", iteration_));
        if (last) break;
        save();
      } else if (since_save_.seconds() > kSaveSeconds) {
        save();
      }
      throw_if_stop_requested();
      if (!update()) return diverged(str("loss or gradient was no finite number at iteration ", iteration_));
    }
  } catch (const Interrupted&) {
    save();
    log_info(str("stopped by a signal at iteration ", iteration_, "; saved"));
    throw;
  }
  finish();
  return TrialOutcome::kDone;
}

bool TrialLoop::update() {
  const Stopwatch watch;
  const StepResult result = session_.train_step.run(iteration_);
  times_.add(watch.milliseconds());
  peak_bytes_ = std::max(peak_bytes_, peak_tensor_bytes_measured(session_.device));
  if (!result.update.finite) return false;
  counts_.clipped_elements += result.update.clipped_elements;
  counts_.spikes += result.update.spike;
  counts_.resets += result.update.reset;
  if (iteration_ % config_.train.log_interval == 0 || iteration_ + 1 == config_.train.max_iters)
    log_row(result);
  ++iteration_;
  return true;
}

std::optional<double> TrialLoop::ms_per_iter() const {
  const auto median = times_.median_ms();
  return median ? median : earlier_ms_per_iter_;
}

Json TrialLoop::rates(double ms) const {
  const double seconds = ms / 1e3;
  return {{"ms", ms},
          {"tokens_per_s", static_cast<double>(config_.tokens_per_iteration()) / seconds},
          {"mfu", flops_per_iteration(config_) / seconds / peak_flops_},
          {"mfu_nanogpt", flops_per_iteration_nanogpt(config_) / seconds / peak_flops_}};
}

void TrialLoop::log_row(const StepResult& result) {
  Json row = rates(times_.recent_ms(config_.train.log_interval));
  row.update({{"kind", "train"},
              {"iteration", iteration_},
              {"loss", result.loss},
              {"grad_norm", result.update.grad_norm},
              {"learning_rate", result.update.learning_rate},
              {"clipped_elements", counts_.clipped_elements},
              {"spikes", counts_.spikes},
              {"resets", counts_.resets}});
  metrics_->append(row);
}

TrialSummary TrialLoop::summary() const {
  TrialSummary s;
  s.step = order_.step, s.name = order_.name, s.seed = order_.seed, s.rerun_index = order_.rerun_index;
  s.key = order_.key, s.iterations = iteration_;
  s.val_loss = losses_->validation, s.train_loss = losses_->train;
  s.wall_seconds = earlier_wall_seconds_ + wall_.seconds();
  s.train_seconds = earlier_train_seconds_ + times_.total_seconds();
  s.ms_per_iter = ms_per_iter();
  if (s.ms_per_iter) {
    const Json speed = rates(*s.ms_per_iter);
    s.tokens_per_s = speed.at("tokens_per_s"), s.mfu = speed.at("mfu"),
    s.mfu_nanogpt = speed.at("mfu_nanogpt");
  }
  if (peak_bytes_ > 0) s.peak_tensor_bytes = peak_bytes_;
  s.peak_resident_bytes = peak_resident_bytes();
  s.parameters = parameter_count(config_), s.threads = order_.threads, s.beside = order_.beside;
  s.device = device_class(session_.device), s.dtype = dtype_name(config_.run.dtype);
  s.pid = ::getpid(), s.host = host_name(), s.started = started_, s.ended = utc_now();
  s.interruptions = interruptions_;
  return s;
}

void TrialLoop::write_sample() const {
  const auto& tokenizer = session_.data->tokenizer();
  const std::int64_t first = session_.data->validation()[0];
  const auto tokens = sample_tokens(session_.model, {first}, config_.gpt.context, session_.device,
                                    {.tokens = 256,
                                     .temperature = 0.8,
                                     .top_k = 0,
                                     .seed = static_cast<std::uint64_t>(order_.seed),
                                     .ids = tokenizer.ids()},
                                    [](std::int64_t) {
                                      throw_if_stop_requested();
                                      return true;
                                    });
  write_file(folder_.tokenizer(), json_text(tokenizer.to_json()));
  write_file(folder_.sample(), tokenizer.decode(tokens) + "\n");
}

void TrialLoop::finish() {
  throw_if_claim_lost();
  metrics_->flush();
  TrialSummary s = summary();
  write_sample();
  s.weights_sha256 = write_safetensors(folder_.weights(), session_.parameters.by_name());
  write_file(folder_.weights_checksum(), s.weights_sha256 + "  weights.safetensors\n");
  s.metrics_sha256 = loss_log_sha256(folder_.metrics());
  finish_trial(folder_, s);
  std::error_code ignored;  // of no use any more; a rest of it does no harm
  std::filesystem::remove_all(folder_.checkpoint(), ignored);
}

KeyContext key_context(const TrialOrder& order, const Dataset& data, c10::Device device) {
  return {.data_hash = data.hash(),
          .threads = order.threads,
          .ranks = 1,
          .device = device_class(device),
          .torch_version = torch_version(),
          .source_key = order.source_key};
}

Json environment(const TrialOrder& order) {
  Json json = describe_trial_environment(order.source_folder);
  json["threads"] = order.threads;
  json["sources"] = order.source_key;
  json["uncommitted_changes"] = uncommitted_changes(order.source_folder);
  return json;
}

}  // namespace

Json describe_trial_environment(const std::filesystem::path& source_folder) {
  Json json = describe_environment(source_folder);
  json["kernels"] = kernel::cpu_kernels_name();
  return json;
}

TrialOutcome run_trial(const TrialFolder& folder, const TrialOrder& order) {
  const auto claim = Claim::acquire(folder);
  if (claim == nullptr) return TrialOutcome::kHeldByAnother;
  if (finished(folder)) return TrialOutcome::kDone;  // its last owner was quicker
  const Config config = Settings::from_file(folder.config()).bind();
  validate(config);
  open_log_file(folder.log().string(), /*console=*/true);
  Session session(config, order.seed, open_dataset(config, order.data_folder));
  const std::string text = key_text(config, order.step, order.rerun_index, order.seed,
                                    key_context(order, *session.data, session.device));
  if (key_of(text) != order.key)
    throw WorkError(
        "the trial's key is not the planned one: data, sources or machine changed since the run was started; "
        "start it again");
  write_trial_start(folder, config, text, environment(order));
  return TrialLoop(folder, order, *claim, session).run();
}

IterationCost time_iterations(const Config& config, std::int64_t iterations,
                              const std::filesystem::path& data_folder) {
  Session session(config, /*seed=*/1, open_dataset(config, data_folder));
  constexpr std::int64_t kWarmup = 2;
  std::vector<double> times;
  reset_peak_tensor_bytes(session.device);
  for (std::int64_t i = 0; i < kWarmup + iterations; ++i) {
    const Stopwatch watch;
    session.train_step.run(i);
    if (i >= kWarmup) times.push_back(watch.milliseconds());
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return {times[times.size() / 2], peak_tensor_bytes_measured(session.device)};
}

}  // namespace kablate
