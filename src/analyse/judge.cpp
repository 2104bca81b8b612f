#include "analyse/judge.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "config/config.h"
#include "data/sample_order.h"
#include "generate/unmask.h"
#include "model/loss.h"
#include "train/evaluator.h"

namespace kablate {
namespace {

// Evenly spaced validation windows, a batch at a time, and the place of its first among them.
void for_windows(const Config& config, const Dataset& data, std::int64_t texts, c10::Device device,
                 const std::function<void()>& between,
                 const std::function<void(const Batch&, std::uint64_t first)>& take) {
  const auto T = config.gpt.context;
  const auto objective = make_objective(config, data.vocabulary());
  const auto numbers = evaluation_windows(data.num_windows(Split::kValidation, T), texts);
  const auto most = static_cast<std::size_t>(config.train.batch_size);
  for (std::size_t first = 0; first < numbers.size(); first += most) {
    between();
    const auto some = std::span(numbers).subspan(first, std::min(most, numbers.size() - first));
    const Batch windows = data.windows(Split::kValidation, some, T);
    Batch batch = on_device(objective->keyed(windows, kEvaluationSeed), device);
    if (!batch.keep.defined())
      batch.keep = at::ones(batch.inputs.sizes(), batch.inputs.options().dtype(at::kBool));
    take(batch, first);
  }
}

UnmaskOptions how(const JudgeOptions& options, const Dataset& data) {
  return {.steps = options.steps,
          .by_critic = options.by_critic,
          .seed = options.seed,
          .ids = data.tokenizer().ids(),
          .mask_token = data.vocabulary()};
}

// Adds up what a judge makes of texts.
class Reader {
 public:
  explicit Reader(const Gpt& judge) : judge_(judge) {}

  void read(const Tensor& tokens_BT, const Tensor& keep_BT) {
    const at::NoGradGuard no_grad;
    const auto T = tokens_BT.size(1);
    const Tensor targets = at::where(keep_BT, tokens_BT, kIgnoreIndex).narrow(1, 1, T - 1);
    const Tensor keep = keep_BT.narrow(1, 0, T - 1), inputs = tokens_BT.narrow(1, 0, T - 1);
    const Tensor logits =
        keep.all().item<bool>() ? judge_.logits(inputs) : judge_.logits(inputs, keep, Dropout());
    const double counted = targets.ne(kIgnoreIndex).sum().item<double>();
    if (counted > 0) sum_ += cross_entropy(logits, targets).item<double>() * counted, count_ += counted;
    add_runs(tokens_BT.cpu().contiguous(), keep_BT.sum(1).cpu());
  }

  Reading reading() const {
    if (count_ == 0)
      throw UserError("no text has a second token that could be read: the context is too short");
    return {sum_ / count_, total_ == 0 ? 1 : static_cast<double>(runs_.size()) / static_cast<double>(total_)};
  }

 private:
  using Run = std::array<std::int64_t, 4>;

  void add_runs(const Tensor& tokens_BT, const Tensor& lengths_B) {
    for (std::int64_t b = 0; b < tokens_BT.size(0); ++b) {
      const auto* ids = tokens_BT.const_data_ptr<std::int64_t>() + b * tokens_BT.size(1);
      for (std::int64_t t = 0; t + 4 <= lengths_B[b].item<std::int64_t>(); ++t, ++total_)
        runs_.insert({ids[t], ids[t + 1], ids[t + 2], ids[t + 3]});
    }
  }

  const Gpt& judge_;
  double sum_ = 0, count_ = 0;
  std::set<Run> runs_;
  std::int64_t total_ = 0;
};

double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

Reading judge_texts(const Config& config, const Gpt& model, const Gpt& judge, const Dataset& data,
                    const JudgeOptions& options, c10::Device device, const std::function<void()>& between) {
  Reader reader(judge);
  for_windows(config, data, options.texts, device, between, [&](const Batch& batch, std::uint64_t first) {
    reader.read(unmask(model, batch.inputs, batch.keep, batch.keep, first, how(options, data)), batch.keep);
  });
  return reader.reading();
}

Repair judge_repair(const Config& config, const Gpt& model, const Dataset& data, const JudgeOptions& options,
                    c10::Device device, const std::function<void()>& between) {
  const UnmaskOptions drawing = how(options, data);
  double filled = 0, right = 0, repaired = 0, broken = 0;
  for_windows(config, data, options.texts, device, between, [&](const Batch& batch, std::uint64_t first) {
    const Tensor masked = batch.targets.ne(kIgnoreIndex);
    const Unmasking unmasking(model, batch.keep, first, drawing);
    Tensor tokens = batch.inputs.clone();
    const Tensor sure = unmasking.draw(tokens, masked, 1);
    const Tensor right_before = tokens.eq(batch.targets).logical_and(masked);
    const Tensor again = least_sure(options.by_critic ? unmasking.approval(tokens) : sure, masked,
                                    masked.sum(1).add(1).div(2, "floor"));
    tokens.masked_fill_(again, drawing.mask_token);
    unmasking.draw(tokens, again, 2);
    const Tensor right_after = tokens.eq(batch.targets).logical_and(masked);
    const auto count = [](const Tensor& x) { return x.sum().item<double>(); };
    filled += count(masked), right += count(right_before);
    repaired += count(right_after.logical_and(right_before.logical_not()));
    broken += count(right_before.logical_and(right_after.logical_not()));
  });
  return {share(right, filled), share(repaired, filled - right), share(broken, right)};
}

Reading judge_data(const Config& config, const Gpt& judge, const Dataset& data, std::int64_t texts,
                   c10::Device device, const std::function<void()>& between) {
  Reader reader(judge);
  for_windows(config, data, texts, device, between, [&](const Batch& batch, std::uint64_t) {
    // What stood there before it was masked.
    reader.read(at::where(batch.targets.ne(kIgnoreIndex), batch.targets, batch.inputs), batch.keep);
  });
  return reader.reading();
}

}  // namespace kablate
