#include "train/trial.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <ATen/Parallel.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "generate/sample.h"
#include "generate/unmask.h"
#include "interchange/weights.h"
#include "measure/arithmetic.h"
#include "measure/machine.h"
#include "measure/memory.h"
#include "measure/thread_waiting.h"
#include "measure/throughput.h"
#include "model/kernel/choice.h"
#include "record/claim.h"
#include "record/done.h"
#include "record/environment.h"
#include "record/reader.h"
#include "record/writer.h"
#include "shape/model_shape.h"
#include "train/answers.h"
#include "train/closing.h"
#include "train/evaluator.h"
#include "train/follow.h"
#include "train/sparsity.h"
#include "train/trainer.h"
#include "train/trial_files.h"

namespace kablate {
namespace {

constexpr double kSaveSeconds = 300;  // between evaluations, so that a crash costs minutes at the most

class TrialLoop {
 public:
  TrialLoop(const TrialFolder& folder, const TrialOrder& order, TrialFiles& files, Trainer& trainer,
            Communicator& ranks);
  TrialOutcome run();

 private:
  void train();  // until the last iteration is evaluated; throws Diverged
  void save();
  void evaluate();
  void close(const TrialSummary& last) const;  // the last look; throws WorkError if it fails
  void update();
  std::optional<double> term(const std::string& name) const;  // of the last evaluation
  std::optional<double> val_term(const char* name) const { return term(str("val_", name)); }
  void add_rates(TrainRow& row, double ms) const;
  Effort effort() const;  // over all attempts
  TrialSummary summary() const;
  std::vector<std::vector<double>> loads_by_layer() const;  // of experts, TrialSummary::expert_loads
  std::string sample() const;

  const TrialFolder& folder_;
  const TrialOrder& order_;
  TrialFiles& files_;
  Trainer& trainer_;
  Communicator& ranks_;
  SharedSave shared_save_;
  const Config& config_;
  double cpu_seconds_ = 0;  // of this thread, in updates
  Effort earlier_;          // attempts
  std::int64_t peak_bytes_ = 0;
  IterationTimes times_, waited_;  // whole ones; what of them other ranks were waited for
  Stopwatch wall_, since_save_;
  ThreadWaiting waiting_{at::get_num_threads()};
  std::string started_ = utc_now();
  EvaluationRow losses_;           // the last
  double evaluation_seconds_ = 0;  // that it took
};

// The loss or a gradient is no number.
struct Diverged : std::runtime_error {
  using std::runtime_error::runtime_error;
};

TrialLoop::TrialLoop(const TrialFolder& folder, const TrialOrder& order, TrialFiles& files, Trainer& trainer,
                     Communicator& ranks)
    : folder_(folder),
      order_(order),
      files_(files),
      trainer_(trainer),
      ranks_(ranks),
      shared_save_(trainer, ranks),
      config_(trainer.session().config) {
  earlier_ = files.resume(trainer, order.begun_in);
  peak_bytes_ = earlier_.peak_tensor_bytes;
}

TrialOutcome TrialLoop::run() {
  reset_peak_tensor_bytes(trainer_.session().device);
  TrialSummary last;
  try {
    train();
    const std::string text = sample();  // may take minutes and be stopped too
    files_.write_sample(trainer_.session().data->tokenizer(), text);
    files_.write_weights(trainer_);
    last = summary();  // before what the closing takes
    close(last);
  } catch (const Interrupted&) {
    save();
    log_info(str("stopped by a signal at iteration ", trainer_.iteration(), "; saved"));
    throw;
  } catch (const Diverged& reason) {
    log_error(reason.what());
    files_.fail(
        {.status = "diverged", .reason = reason.what(), .exit_code = {}, .signal = {}, .log_tail = ""});
    return TrialOutcome::kDiverged;
  }
  files_.finish(last);
  return TrialOutcome::kDone;
}

void TrialLoop::train() {
  while (true) {
    if (trainer_.evaluation_due()) {
      if (trainer_.done()) save();  // what follows the last update may take minutes and be stopped too
      evaluate();
      if (trainer_.done()) return;
      save();
    } else if (shared_save_.due(since_save_.seconds() > kSaveSeconds)) {
      save();
    }
    throw_if_some_rank_stops(ranks_);
    waiting_.look();
    update();
  }
}

void TrialLoop::save() {
  if (const auto state = shared_save_.state()) files_.save(*state, effort());
  since_save_.restart();
}

void TrialLoop::evaluate() {
  check_same_weights(trainer_, ranks_);
  const Stopwatch watch;
  losses_ = trainer_.evaluate([this] { throw_if_some_rank_stops(ranks_); });
  evaluation_seconds_ = watch.seconds();
  files_.append(losses_);
  const auto accuracy = val_term(kAccuracy);
  log_info(str("iteration ", losses_.iteration, ": training loss ", fixed(*losses_.train_loss, 4),
               ", validation loss ", fixed(*losses_.val_loss, 4),
               accuracy ? str(", accuracy ", fixed(*accuracy, 4)) : ""));
  if (!std::isfinite(*losses_.train_loss) || !std::isfinite(*losses_.val_loss))
    throw Diverged(str("the loss was no finite number after iteration ", losses_.iteration));
  for (const auto& row : trainer_.observe()) files_.append(row);
}

// What was read is asked always, what the weights give where that is cheap: an evaluation reads both splits,
// the closing one of them.
void TrialLoop::close(const TrialSummary& last) const {
  const auto& data = *trainer_.session().data;
  const auto check = [](const std::string& fault) {
    if (!fault.empty()) throw WorkError("closing failed: " + fault);
  };
  EvaluationRow recorded = losses_;
  recorded.val_loss = last.val_loss;
  check(windows_fault(config_, recorded, data));
  const double share = evaluation_seconds_ / effort().train_seconds;
  const std::string cost = str("an evaluation took ", fixed(100 * share, 1), " % of the training's time");
  if (!(share <= order_.closing_share))
    return log_info(str("closing: left out, ", cost, ", more than ", fixed(100 * order_.closing_share, 0),
                        " %; `kablate verify --no-retrain` does it"));
  check(closing_fault(config_, folder_.weights(), recorded, data, throw_if_stop_requested));
  log_info(str("closing: the weights as written give the validation loss; ", cost));
}

std::optional<double> TrialLoop::term(const std::string& name) const {
  const auto found = losses_.terms.find(name);
  return found == losses_.terms.end() ? std::nullopt : std::optional(found->second);
}

void TrialLoop::update() {
  const auto device = trainer_.session().device;
  const Stopwatch watch;
  const double cpu_before = thread_cpu_seconds(), waited_before = ranks_.waited_seconds();
  Update update = trainer_.update();
  times_.add(watch.milliseconds());
  waited_.add(1e3 * (ranks_.waited_seconds() - waited_before));
  cpu_seconds_ += thread_cpu_seconds() - cpu_before;
  peak_bytes_ = std::max(peak_bytes_, peak_tensor_bytes_measured(device));
  if (!update.finite)
    throw Diverged(str("loss or gradient was no finite number at iteration ", trainer_.iteration()));
  if (!update.due) return files_.mark_iteration();
  const double ms = times_.recent_ms(config_.train.log_interval);
  add_rates(update.row, ms);
  if (order_.ranks > 1) {
    update.row.tokens_per_s_rank = *update.row.tokens_per_s / static_cast<double>(order_.ranks);
    update.row.communication_share = waited_.recent_ms(config_.train.log_interval) / ms;
  }
  files_.append(update.row);
  files_.mark_iteration();
}

void TrialLoop::add_rates(TrainRow& row, double ms) const {
  const double seconds = ms / 1e3;
  row.ms = ms;
  row.tokens_per_s = static_cast<double>(config_.tokens_per_iteration()) / seconds;
  if (order_.peak_flops <= 0) return;
  const double peak = order_.peak_flops * static_cast<double>(order_.ranks);
  row.mfu = flops_per_iteration(config_) / seconds / peak;
  row.mfu_nanogpt = flops_per_iteration_nanogpt(config_) / seconds / peak;
}

Effort TrialLoop::effort() const {
  const auto median = times_.median_ms();
  return {
      .interruptions = earlier_.interruptions,
      .train_seconds = earlier_.train_seconds + times_.total_seconds(),
      .wall_seconds = earlier_.wall_seconds + wall_.seconds(),
      .peak_tensor_bytes = peak_bytes_,
      .ms_per_iter = median ? median : earlier_.ms_per_iter};  // the one before's if this attempt was short
}

TrialSummary TrialLoop::summary() const {
  const auto device = trainer_.session().device;
  const Effort taken = effort();
  TrialSummary s;
  s.step = order_.step, s.name = order_.name, s.seed = order_.seed, s.rerun_index = order_.rerun_index;
  s.key = order_.key, s.iterations = trainer_.iteration();
  s.val_loss = losses_.val_loss, s.train_loss = losses_.train_loss;
  s.val_accuracy = val_term(kAccuracy), s.val_macro_accuracy = val_term(kMacroAccuracy);
  s.train_accuracy = term(str("train_", kAccuracy));
  s.wall_seconds = taken.wall_seconds, s.train_seconds = taken.train_seconds;
  s.ms_per_iter = taken.ms_per_iter;
  if (s.ms_per_iter) {
    TrainRow speed;
    add_rates(speed, *s.ms_per_iter);
    s.tokens_per_s = speed.tokens_per_s, s.mfu = speed.mfu, s.mfu_nanogpt = speed.mfu_nanogpt;
    if (order_.peak_flops > 0) s.peak_flops = order_.peak_flops;
  }
  if (device.is_cpu() && times_.total_seconds() > 0)
    s.cpu_share = std::min(1.0, cpu_seconds_ / (times_.total_seconds() - waited_.total_seconds()));
  if (peak_bytes_ > 0) s.peak_tensor_bytes = peak_bytes_;
  s.peak_resident_bytes = peak_resident_bytes();
  if (config_.mlp.learned_width) s.mlp_widths = trainer_.session().model.learned_widths();
  if (config_.mlp.routed()) s.expert_loads = loads_by_layer();
  if (config_.optim.prune.on()) {
    const auto& parameters = trainer_.session().parameters;
    s.sparsity = sparsity_of_maps(parameters), s.nonzero_parameters = nonzero_entries(parameters);
  }
  s.parameters = parameter_count(config_), s.active_parameters = active_parameter_count(config_);
  s.threads = order_.threads, s.ranks = order_.ranks, s.beside = order_.beside;
  if (order_.ranks > 1 && times_.total_seconds() > 0)
    s.communication_share = waited_.total_seconds() / times_.total_seconds();
  s.device = device_class(device), s.dtype = dtype_name(config_.run.dtype);
  s.arithmetic = files_.arithmetic();
  s.pid = ::getpid(), s.host = host_name(), s.started = started_, s.ended = utc_now();
  s.interruptions = taken.interruptions;
  return s;
}

std::vector<std::vector<double>> TrialLoop::loads_by_layer() const {
  std::vector<std::vector<double>> loads(static_cast<std::size_t>(config_.gpt.num_layers));
  for (const auto& row : trainer_.observe()) loads[static_cast<std::size_t>(row.block)] = expert_loads(row);
  return loads;
}

std::string TrialLoop::sample() const {
  const auto& session = trainer_.session();
  if (config_.data.is_synthetic()) return answers_of(session.model, *session.data, session.device);
  if (config_.objective.masked()) {  // a whole context, from nothing
    const std::vector<std::int64_t> shape{1, config_.gpt.context};
    const Tensor filled = unmask(session.model, at::zeros(shape, at::kLong).to(session.device),
                                 at::ones(shape, at::kBool).to(session.device), {}, 0,
                                 {.by_critic = config_.objective.critic,
                                  .seed = static_cast<std::uint64_t>(order_.seed),
                                  .ids = session.data->tokenizer().ids(),
                                  .mask_token = session.data->vocabulary()})
                              .cpu();
    const auto* ids = filled.const_data_ptr<std::int64_t>();
    return session.data->tokenizer().decode({ids, ids + filled.numel()});
  }
  std::vector<std::int64_t> stop;
  if (config_.data.dataset == DatasetKind::kLines)
    stop = session.data->tokenizer().encode("\n", "a line's end");
  const std::int64_t window = 0;
  const std::int64_t first = session.data->windows(Split::kValidation, {&window, 1}, config_.gpt.context)
                                 .inputs[0][0]
                                 .item<std::int64_t>();
  const auto tokens = sample_tokens(session.model, {first}, config_.gpt.context, session.device,
                                    {.tokens = 256,
                                     .temperature = 0.8,
                                     .top_k = 0,
                                     .seed = static_cast<std::uint64_t>(order_.seed),
                                     .ids = session.data->tokenizer().ids(),
                                     .stop = stop},
                                    [](std::int64_t) {
                                      throw_if_stop_requested();
                                      return true;
                                    });
  return session.data->tokenizer().decode(tokens);
}

KeyContext key_context(const TrialOrder& order, const Config& config, const Dataset& data,
                       c10::Device device) {
  return {.data_hash = data.hash(),
          .init_hash = initial_weights_hash(config),
          .threads = order.threads,
          .ranks = order.ranks,
          .device = device_class(device),
          .kernels = kernels_in_use(),
          .torch_version = torch_version(),
          .build = order.build};
}

// Of what all ranks compute with: "A+B" where they differ, which is paired with nothing else.
std::string arithmetic_of_all(const std::string& own, Communicator& ranks) {
  std::string all;
  for (const auto& one : ranks.texts_of_all(own))
    if (all.find(one) == std::string::npos) all += (all.empty() ? "" : "+") + one;
  return all;
}

Json environment(const TrialOrder& order, c10::Device device, Communicator& ranks) {
  Json json = describe_trial_environment(order.source_folder, device);
  json["threads"] = order.threads;
  if (ranks.size() > 1) {
    json["ranks"] = ranks.size(), json["hosts"] = ranks.texts_of_all(host_name());
    json["arithmetic_id"] = arithmetic_of_all(json.at("arithmetic_id"), ranks);
  }
  json["sources"] = order.build.sources, json["compiler"] = order.build.compiler;
  json["flags"] = order.build.flags;
  return json;
}

}  // namespace

Json describe_trial_environment(const std::filesystem::path& source_folder, c10::Device device) {
  Json json = describe_environment(source_folder, device);
  json["kernels"] = kernels_in_use();
  return json;
}

TrialOutcome run_trial(const TrialFolder& folder, const TrialOrder& order, const Config& config,
                       Communicator& ranks) {
  const bool first = ranks.rank() == 0;
  const auto claim = first ? Claim::acquire(folder) : nullptr;
  const bool done = claim != nullptr && finished_and_whole(folder);  // its last owner was quicker
  if (ranks.any(first && (claim == nullptr || done)))
    return first && claim == nullptr ? TrialOutcome::kHeldByAnother : TrialOutcome::kDone;
  validate(config);
  if (first) open_log_file(folder.log().string(), /*console=*/true);
  use_kernels(config.run.kernels, resolve_device(config.run.device));
  Trainer trainer(config, order.seed, open_dataset(config, order.data_folder), ranks);
  const auto& session = trainer.session();
  const std::string text = key_text(config, order.step, order.rerun_index, order.seed,
                                    key_context(order, config, *session.data, session.device));
  if (key_of(text) != order.key)
    throw WorkError(
        str("the trial's key is not the planned one", first ? "" : " on " + host_name(),
            ": data, sources or machine changed since the run was started, or a rank's differ; start it "
            "again"));
  if (const auto& file = config.train.init_from; !file.empty())
    trainer.begin_with(read_initial_weights(file, model_parameters(session.stage)));
  Json here = environment(order, session.device, ranks);
  if (!first) {
    share_state(trainer, ranks);
    follow(trainer, ranks);
    return TrialOutcome::kDone;
  }
  for (const auto& damage : damaged_files(folder))
    log_warning("trained again, since it was damaged: " + damage);
  write_trial_start(folder, config, text, here);
  TrialFiles files(folder, *claim, order.key, here.at("arithmetic_id"));
  TrialLoop loop(folder, order, files, trainer, ranks);
  share_state(trainer, ranks);
  if (here.at("arithmetic_id") != files.arithmetic()) {  // now that its checkpoint is read
    here["arithmetic_id"] = files.arithmetic();
    write_trial_start(folder, config, text, here);
  }
  return loop.run();
}

}  // namespace kablate
