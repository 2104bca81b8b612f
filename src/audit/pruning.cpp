// What PRUNE does to the trial's own loop: which maps lose how many entries after which update, which ones,
// and that these are 0 from then on. When, which and how many is written down here once more.
#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include <ATen/ATen.h>

#include "audit/gates.h"
#include "audit/seeded_data.h"
#include "base/text.h"

namespace kablate {
namespace {

constexpr std::int64_t kBegin = 1, kInterval = 2, kEnd = 5;  // after update 1 sparsity is 0
constexpr std::int64_t kFirst = 3, kLast = 7;  // the first that prunes; the last that is looked at

// A loop as short as can show it: layers part, and maps come to stand still, between two prunings; AdamWSPAM
// resets in the update of the last one, which then waits for two.
Config short_pruning(Config c) {
  c.train.batch_size = c.train.accumulation = c.train.log_interval = c.train.eval_samples = 1;
  c.train.max_iters = std::max(c.train.max_iters, kLast + 1);
  c.optim.prune.sparsity = std::max(c.optim.prune.sparsity, 0.5);  // of few entries some
  c.optim.prune.begin = kBegin, c.optim.prune.end = kEnd, c.optim.prune.interval = kInterval;
  c.optim.spam_interval = kEnd - 1, c.optim.spam_warmup_steps = 2;
  if (c.mlp.unshare_at > 0) c.mlp.unshare_at = kFirst + 1;
  if (c.lora.freeze_base_at > 1) c.lora.freeze_base_at = kFirst + (c.mlp.unshare_at > 0 ? 2 : 1);
  return c;
}

bool loses_entries(const Parameter& spec) {
  const auto holds = [&](const char* part) { return spec.name.find(part) != std::string::npos; };
  return spec.trained && spec.shape.size() >= 2 && !spec.name.ends_with("bias") &&
         !spec.name.starts_with("transformer.w") && !spec.name.starts_with("lm_head") && !holds("critic") &&
         !holds("decoder") && !holds("router") && !holds(".lora_");
}

double contract_sparsity(const Config& c, std::int64_t updates) {
  const auto& [kind, S, begin, end, interval] = c.optim.prune;
  const bool spam = c.optim.kind == OptimizerKind::kAdamWSpam && c.optim.spam_reset;
  double sparsity = 0, due = -1;
  std::int64_t reset = 0;
  for (std::int64_t u = 1; u <= updates; ++u) {
    if (spam && u > 1 && (u - 1) % c.optim.spam_interval == 0) reset = u;
    if (u >= begin && u <= end && (u - begin) % interval == 0)
      due = S * (1 - std::pow(1 - static_cast<double>(u - begin) / static_cast<double>(end - begin), 3));
    if (due < 0 || (c.optim.spam_warmup && reset > 0 && u - reset < c.optim.spam_warmup_steps)) continue;
    sparsity = due, due = -1;
  }
  return sparsity;
}

std::int64_t contract_losses(const Parameter& spec, double sparsity) {
  return static_cast<std::int64_t>(std::floor(sparsity * static_cast<double>(spec.count())));
}

// A tensor of the model that has made some updates, and the entries that it must have lost by then.
struct Expected {
  Parameter spec;
  std::int64_t lost = 0;
};

std::vector<Expected> expected_after(const Config& c, std::int64_t updates, const Subject& subject) {
  const auto freezes = c.lora.freeze_base_at;
  const auto until = freezes > 1 ? std::min(updates, freezes - 1) : updates;
  std::map<std::string, std::int64_t> lost;
  const auto add = [&](std::int64_t update) {  // what the maps that train at it have lost after it
    for (const auto& spec : subject.parameters(at_update(c, update)))
      if (loses_entries(spec)) lost[spec.name] = contract_losses(spec, contract_sparsity(c, update));
  };
  add(until), add(updates);
  std::vector<Expected> all;
  for (const auto& spec : subject.parameters(at_update(c, updates))) all.push_back({spec, lost[spec.name]});
  return all;
}

// "" or what is wrong with a tensor's zeros, and with its moments there.
std::string wrong_zeros(const Expected& expected, const Training& trained) {
  const auto& name = expected.spec.name;
  const auto found = trained.weights.find(name);
  if (found == trained.weights.end()) return str("there is no ", name);
  const Tensor zero = found->second.eq(0);
  if (expected.lost > 0 || loses_entries(expected.spec)) {
    const auto lost = zero.sum().item<std::int64_t>();
    if (lost != expected.lost)
      return str(name, " has ", lost, " entries that are 0, ", expected.lost, " are due");
    for (const char* moment : {"m.", "v."})
      if (const auto m = trained.moments.find(moment + name);
          m != trained.moments.end() && m->second.masked_select(zero).any().item<bool>())
        return str("pruned entries of ", name, " have moments");
    return "";
  }
  const auto start = trained.start.find(name);
  if (start != trained.start.end() && zero.logical_and(start->second.ne(0)).any().item<bool>())
    return str(name, " is not to be pruned and has lost entries");
  return "";
}

// "" or which tensor has an entry back that it, or the one that it was parted from, had lost.
std::string undone(const Training& before, const Training& after, const ParameterTable& start) {
  for (const auto& [name, weight] : after.weights) {
    const auto use = start.uses.find(name);
    const auto origin = before.weights.contains(name) || use == start.uses.end() ? name : use->second;
    const auto found = before.weights.find(origin);
    if (found == before.weights.end()) continue;
    const Parameter spec{.name = name, .shape = weight.sizes().vec()};
    if (loses_entries(spec) && found->second.eq(0).logical_and(weight.ne(0)).any().item<bool>())
      return str("pruned entries of ", name, " are not 0 any more");
  }
  return "";
}

// The entries of least score, by sorting all: [n] bool.
Tensor least(const Tensor& weight, const Tensor& second, bool by_moments, std::int64_t count) {
  Tensor score = weight.to(at::kCPU, at::kDouble).flatten().abs();
  if (by_moments) score = score * second.to(at::kCPU, at::kDouble).flatten().sqrt();
  const Tensor order = std::get<1>(score.sort(/*stable=*/true, /*dim=*/0, /*descending=*/false));
  Tensor chosen = at::zeros(score.sizes(), at::kBool);
  chosen.index_fill_(0, order.narrow(0, 0, count), true);
  return chosen;
}

// "" or which tensor the first pruning left with other values than those of a loop that prunes nothing, but
// for the entries of least score.
std::string wrong_entries(const Config& c, const Training& pruned, const Training& dense,
                          const std::vector<Expected>& expected) {
  const bool by_moments = c.optim.prune.kind == PruneKind::kMoments;
  for (const auto& [spec, lost] : expected) {
    if (lost == 0) continue;
    const Tensor& whole = dense.weights.at(spec.name);
    const Tensor chosen = least(whole, dense.moments.at("v." + spec.name), by_moments, lost);
    const Tensor wanted = whole.cpu().masked_fill(chosen.view_as(whole), 0);
    if (!at::equal(pruned.weights.at(spec.name).cpu(), wanted))
      return str(spec.name, " has lost other entries than those of least score");
  }
  return "";
}

// "" or that pruned entries count in the gradient's norm. Without clipping the gradient follows from m.
std::string counts_pruned(const Config& step, const std::shared_ptr<const Dataset>& data,
                          const Subject& subject) {
  constexpr double kRounding = 1e-3, kHalf = 0.5;
  Config c = step;
  c.optim.kind = OptimizerKind::kAdamW, c.optim.grad_clip = 0, c.optim.prune.sparsity = kHalf;
  c.mlp.unshare_at = 0;
  if (c.lora.freeze_base_at > 1) c.lora.freeze_base_at = 0;
  const auto before = subject.train(c, 1, data, kFirst), after = subject.train(c, 1, data, kFirst + 1);
  if (!before.finite || !after.finite) return "";
  double squares = 0;
  for (const auto& [name, m] : after.moments) {
    if (!name.starts_with("m.")) continue;
    const Tensor g =
        (m.to(at::kDouble) - c.optim.beta1 * before.moments.at(name).to(at::kDouble)) / (1 - c.optim.beta1);
    squares += g.square().sum().item<double>();
  }
  const double norm = after.updates.back().grad_norm.value_or(NAN);
  if (std::abs(norm - std::sqrt(squares)) <= kRounding * norm) return "";
  return str("the gradient's norm is ", scientific(norm, 3), ", without pruned entries ",
             scientific(std::sqrt(squares), 3));
}

// What the log says against what the maps have lost; those that stand still are not counted.
std::string wrong_log(const Training& trained, const std::vector<Expected>& expected) {
  double lost = 0, all = 0;
  for (const auto& each : expected)
    if (loses_entries(each.spec))
      lost += static_cast<double>(each.lost), all += static_cast<double>(each.spec.count());
  const double said = trained.updates.back().sparsity.value_or(NAN), found = all > 0 ? lost / all : 0;
  return std::abs(said - found) <= 1e-9 ? "" : str("the log says a sparsity of ", said, ", it is ", found);
}

}  // namespace

std::optional<Finding> pruning(const Config& step, const Subject& subject) {
  if (!step.optim.prune.on()) return {};
  const Config c = short_pruning(step);
  Config none = c;
  none.optim.prune.kind = PruneKind::kNone;
  const auto data = seeded_data(c);
  const auto dense = subject.train(none, 1, data, kFirst);
  const ParameterTable start = subject.parameters(at_update(c, 0));
  std::optional<Training> before;
  std::int64_t lost = 0;
  for (std::int64_t updates = kFirst - 1; updates <= kLast; ++updates) {
    const auto trained = subject.train(c, 1, data, updates);
    if (!trained.finite || !dense.finite) return {};  // it diverges, as the trial will say
    const auto expected = expected_after(c, updates, subject);
    const auto fails = [&](const std::string& what) {
      return Finding{false,
                     str("after update ", updates, " of a schedule from ", kBegin, " to ", kEnd, ": ", what)};
    };
    for (const auto& each : expected)
      if (const auto what = wrong_zeros(each, trained); !what.empty()) return fails(what);
    std::string what = before ? undone(*before, trained, start) : "";
    if (what.empty() && updates == kFirst) what = wrong_entries(c, trained, dense, expected);
    if (what.empty()) what = wrong_log(trained, expected);
    if (!what.empty()) return fails(what);
    before = trained, lost = 0;
    for (const auto& each : expected) lost += each.lost;
  }
  if (const auto what = counts_pruned(c, data, subject); !what.empty()) return Finding{false, what};
  return Finding{true, str("maps lose the entries of least score when they are due, ", lost,
                           " in all, and these stay 0")};
}

}  // namespace kablate
