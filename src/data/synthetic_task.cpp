#include "data/synthetic_task.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>
#include <vector>

#include "base/rng.h"
#include "config/synthetic.h"

namespace kablate {
namespace {

using Tokens = std::span<std::int64_t>;
using Ids = std::vector<std::int64_t>;

std::int64_t one_of(const IdRange& range, Draws& draws) { return range.first + draws.below(range.count); }

// `count` that differ, in the order drawn.
Ids distinct_of(const IdRange& range, std::int64_t count, Draws& draws) {
  std::vector<bool> taken(static_cast<std::size_t>(range.count));
  Ids ids;
  while (std::ssize(ids) < count) {
    const auto place = draws.below(range.count);
    if (taken[static_cast<std::size_t>(place)]) continue;
    taken[static_cast<std::size_t>(place)] = true;
    ids.push_back(range.first + place);
  }
  return ids;
}

class Mqar final : public SyntheticTask {
 public:
  Mqar(const TaskIds& ids, std::int64_t pairs, std::int64_t T) : ids_(ids), pairs_(pairs) {
    constexpr double kPower = 0.01;
    for (std::int64_t i = 1; i <= (T - 2 * pairs) / 2; ++i)
      weights_.push_back(kPower * std::pow(static_cast<double>(i), kPower - 1));
  }

  void make(Draws& draws, bool, Tokens inputs, Tokens labels) const override {
    const Ids keys = distinct_of(ids_.keys, pairs_, draws), values = distinct_of(ids_.values, pairs_, draws);
    std::fill(inputs.begin(), inputs.end(), ids_.blank);
    auto weights = weights_;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      inputs[2 * i] = keys[i], inputs[2 * i + 1] = values[i];
      const auto query = 2 * (keys.size() + take(weights, draws));
      inputs[query] = keys[i], labels[query] = values[i];
    }
  }

 private:
  // A place by its weight, which is then 0.
  static std::size_t take(std::vector<double>& weights, Draws& draws) {
    double left = 0;
    for (const double weight : weights) left += weight;
    left *= draws.uniform();
    std::size_t last = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (weights[i] == 0) continue;
      last = i, left -= weights[i];
      if (left < 0) break;
    }
    weights[last] = 0;
    return last;
  }

  TaskIds ids_;
  std::int64_t pairs_;
  std::vector<double> weights_;
};

class Induction final : public SyntheticTask {
 public:
  explicit Induction(const TaskIds& ids) : ids_(ids) {}

  void make(Draws& draws, bool, Tokens inputs, Tokens labels) const override {
    for (auto& token : inputs) token = one_of(ids_.values, draws);
    const auto tokens = std::ssize(inputs) - 1;
    const auto place = static_cast<std::size_t>(draws.below(tokens - 2));
    inputs[place] = ids_.marker, inputs.back() = ids_.marker;
    labels.back() = inputs[place + 1];
  }

 private:
  TaskIds ids_;
};

class Recall final : public SyntheticTask {
 public:
  explicit Recall(const TaskIds& ids) : ids_(ids) {}

  void make(Draws& draws, bool, Tokens inputs, Tokens labels) const override {
    std::map<std::int64_t, std::int64_t> said;
    const auto last = inputs.size() - 2;
    for (std::size_t t = 0; t < last; t += 2) {
      const auto key = one_of(ids_.keys, draws), value = one_of(ids_.values, draws);
      inputs[t] = key, inputs[t + 1] = said.emplace(key, value).first->second;
    }
    auto asked = said.begin();
    std::advance(asked, draws.below(std::ssize(said)));
    inputs[last] = ids_.marker, inputs[last + 1] = asked->first, labels[last + 1] = asked->second;
  }

 private:
  TaskIds ids_;
};

class InContextRecall final : public SyntheticTask {
 public:
  InContextRecall(const TaskIds& ids, double noise) : ids_(ids), noise_(noise) {}

  void make(Draws& draws, bool, Tokens inputs, Tokens labels) const override {
    std::map<std::int64_t, std::int64_t> said;
    const auto pairs = std::ssize(inputs) / 2;
    const auto surely = noise_ > 0 ? draws.below(pairs - 1) : 0;
    for (std::int64_t i = 0; i < pairs; ++i) {
      const auto t = static_cast<std::size_t>(2 * i);
      if (noise_ > 0 && i + 1 < pairs && draws.uniform() < noise_ && i != surely) {
        inputs[t] = one_of(ids_.noise, draws), inputs[t + 1] = one_of(ids_.noise, draws);
        continue;
      }
      auto key = one_of(ids_.keys, draws);
      const auto value = one_of(ids_.values, draws);
      if (i + 1 == pairs) {
        auto asked = said.begin();
        std::advance(asked, draws.below(std::ssize(said)));
        key = asked->first;
      }
      const auto [found, is_new] = said.emplace(key, value);
      inputs[t] = key, inputs[t + 1] = found->second;
      if (!is_new) labels[t] = found->second;
    }
  }

 private:
  TaskIds ids_;
  double noise_;
};

class FuzzyRecall final : public SyntheticTask {
 public:
  FuzzyRecall(const TaskIds& ids, std::int64_t motif) : ids_(ids), motif_(motif) {}

  void make(Draws& draws, bool tests, Tokens inputs, Tokens labels) const override {
    const auto T = std::ssize(inputs);
    const auto new_key = [&] { return distinct_of(ids_.keys, tests ? motif_ : any_length(draws), draws); };
    const auto new_value = [&] { return distinct_of(ids_.values, any_length(draws), draws); };
    const Ids asked = new_key(), answer = new_value();
    const auto end = T - std::ssize(asked) - std::ssize(answer) - 2 * motif_;
    const auto surely_at = draws.below(end - 2 * motif_ + 1);  // the first pair from there on has this key
    std::map<Ids, Ids> values{{asked, answer}}, said;
    Ids tokens, targets;
    const auto say = [&](const Ids& key) {
      const Ids& value = values.at(key);
      const bool known = !said.emplace(key, value).second;
      for (const auto* motif : {&key, &value})
        for (const auto token : *motif) {
          tokens.push_back(token);
          targets.push_back(motif == &value && known ? token : kNone);
        }
    };
    while (std::ssize(tokens) < end) {
      const bool must = std::ssize(tokens) >= surely_at && !said.contains(asked);
      const Ids key = must ? asked : new_key();
      if (!values.contains(key)) values.emplace(key, new_value());
      say(key);
    }
    say(asked);
    lay_out(tokens, targets, inputs, labels);
  }

 private:
  static constexpr std::int64_t kNone = -1;

  std::int64_t any_length(Draws& draws) const { return 1 + draws.below(motif_); }

  // The last T + 1 of blanks and then these: inputs all but the last, labels all but the first.
  void lay_out(const Ids& tokens, const Ids& targets, Tokens inputs, Tokens labels) const {
    const auto T = std::ssize(inputs), blanks = T + 1 - std::ssize(tokens);
    for (std::int64_t t = 0; t < T; ++t) {
      const auto at = static_cast<std::size_t>(t);
      inputs[at] = t < blanks ? ids_.blank : tokens[static_cast<std::size_t>(t - blanks)];
      if (t + 1 >= blanks && targets[static_cast<std::size_t>(t + 1 - blanks)] != kNone)
        labels[at] = targets[static_cast<std::size_t>(t + 1 - blanks)];
    }
  }

  TaskIds ids_;
  std::int64_t motif_;
};

class SelectiveCopy final : public SyntheticTask {
 public:
  SelectiveCopy(const TaskIds& ids, std::int64_t copied) : ids_(ids), copied_(copied) {}

  // Each blank stands before a token that is drawn for it.
  void make(Draws& draws, bool, Tokens inputs, Tokens labels) const override {
    const auto T = std::ssize(inputs), blanks = T - 2 * copied_ - 1;
    Ids before(static_cast<std::size_t>(copied_));
    for (std::int64_t i = 0; i < blanks; ++i) ++before[static_cast<std::size_t>(draws.below(copied_))];
    std::fill(inputs.begin(), inputs.end(), ids_.blank);
    auto at = inputs.begin();
    for (std::int64_t i = 0; i < copied_; ++i) {
      at += before[static_cast<std::size_t>(i)];
      *at = one_of(ids_.values, draws);
      labels[static_cast<std::size_t>(T - copied_ + i)] = *at++;
    }
    *at = ids_.marker;
  }

 private:
  TaskIds ids_;
  std::int64_t copied_;
};

class Memorization final : public SyntheticTask {
 public:
  explicit Memorization(const TaskIds& ids)
      : ids_(ids), facts_(stream_key(0, "synthetic/facts"), static_cast<std::uint64_t>(ids.values.count)) {}

  void make(Draws& draws, bool, Tokens inputs, Tokens labels) const override {
    for (std::size_t t = 0; t < inputs.size(); t += 2) {
      const auto key = draws.below(ids_.keys.count);
      inputs[t] = ids_.keys.first + key, inputs[t + 1] = ids_.marker;
      labels[t + 1] = ids_.values.first + static_cast<std::int64_t>(facts_(static_cast<std::uint64_t>(key)));
    }
  }

 private:
  TaskIds ids_;
  Permutation facts_;
};

class Compression final : public SyntheticTask {
 public:
  explicit Compression(const TaskIds& ids) : ids_(ids) {}

  void make(Draws& draws, bool, Tokens inputs, Tokens labels) const override {
    for (auto& id : inputs.first(inputs.size() - 1)) id = one_of(ids_.values, draws);
    inputs.back() = ids_.marker;
    std::copy(inputs.begin(), inputs.end(), labels.begin());
  }

 private:
  TaskIds ids_;
};

class Repeats final : public SyntheticTask {
 public:
  explicit Repeats(const TaskIds& ids) : ids_(ids) {}

  void make(Draws& draws, bool, Tokens inputs, Tokens labels) const override {
    const auto T = std::ssize(inputs);
    const auto [least, most] = repeats_periods(T);
    const auto period = least + draws.below(most - least + 1);
    const auto place = [&](std::int64_t t) { return static_cast<std::size_t>(t % period); };
    for (std::int64_t t = 0; t < period; ++t) inputs[place(t)] = one_of(ids_.values, draws);
    for (std::int64_t t = period; t < T; ++t) {
      inputs[static_cast<std::size_t>(t)] = inputs[place(t)];
      labels[static_cast<std::size_t>(t)] = inputs[place(t + 1)];
    }
  }

 private:
  TaskIds ids_;
};

}  // namespace

std::uint64_t Draws::bits() {
  const auto block = random_block(key_, place_++, sequence_);
  return std::uint64_t{block[0]} << 32 | block[1];
}

std::int64_t Draws::below(std::int64_t bound) {
  // 2^64 is no multiple of the bound: the numbers too many are drawn again.
  const auto count = static_cast<std::uint64_t>(bound), excess = (0 - count) % count;
  for (;;)
    if (const auto drawn = bits(); drawn >= excess) return static_cast<std::int64_t>(drawn % count);
}

double Draws::uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

std::unique_ptr<const SyntheticTask> make_task(const DataConfig& data, std::int64_t T) {
  const TaskIds ids = task_ids(data);
  const auto& s = data.synthetic;
  switch (data.dataset) {
    case DatasetKind::kMqar:
      return std::make_unique<Mqar>(ids, s.pairs, T);
    case DatasetKind::kInduction:
      return std::make_unique<Induction>(ids);
    case DatasetKind::kRecall:
      return std::make_unique<Recall>(ids);
    case DatasetKind::kInContextRecall:
      return std::make_unique<InContextRecall>(ids, 0);
    case DatasetKind::kNoisyRecall:
      return std::make_unique<InContextRecall>(ids, s.noise);
    case DatasetKind::kFuzzyRecall:
      return std::make_unique<FuzzyRecall>(ids, s.motif);
    case DatasetKind::kSelectiveCopy:
      return std::make_unique<SelectiveCopy>(ids, s.copied);
    case DatasetKind::kMemorization:
      return std::make_unique<Memorization>(ids);
    case DatasetKind::kCompression:
      return std::make_unique<Compression>(ids);
    case DatasetKind::kRepeats:
      return std::make_unique<Repeats>(ids);
    default:
      throw std::logic_error("a data set that is not made from a seed");
  }
}

}  // namespace kablate
