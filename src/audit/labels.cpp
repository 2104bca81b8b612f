// Sequences that are made from a seed are what their task says: each label, and each position without one,
// follows from the inputs; the same number gives the same sequence, and no two splits or seeds the same ones.
#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <vector>

#include <ATen/ATen.h>

#include "audit/gates.h"
#include "base/text.h"
#include "config/synthetic.h"
#include "data/synthetic_dataset.h"

namespace kablate {
namespace {

using Ids = std::vector<std::int64_t>;

// What should stand where nothing is labelled.
constexpr std::int64_t kNone = kIgnoreIndex;

Ids row_of(const Tensor& x_BT, std::int64_t b) {
  const Tensor row = x_BT[b].contiguous();
  return {row.const_data_ptr<std::int64_t>(), row.const_data_ptr<std::int64_t>() + row.numel()};
}

// The labels that a sequence should have, from its inputs, and of repeats from where the first label is,
// since what is said twice within a period has a shorter one too; throws std::string where it can't be one of
// them.
class Reader {
 public:
  Reader(const Config& config, const Ids& inputs, std::int64_t first_label, bool tests)
      : c_(config),
        ids_(task_ids(config.data)),
        in_(inputs),
        T_(config.gpt.context),
        first_label_(first_label),
        tests_(tests),
        want_(inputs.size(), kNone) {}

  Ids labels() {
    switch (c_.data.dataset) {
      case DatasetKind::kMqar:
        mqar();
        break;
      case DatasetKind::kInduction:
        induction();
        break;
      case DatasetKind::kRecall:
        recall();
        break;
      case DatasetKind::kInContextRecall:
        pairs();
        break;
      case DatasetKind::kNoisyRecall:
        pairs();
        break;
      case DatasetKind::kFuzzyRecall:
        motifs();
        break;
      case DatasetKind::kSelectiveCopy:
        copy();
        break;
      case DatasetKind::kMemorization:
        facts();
        break;
      case DatasetKind::kCompression:
        compression();
        break;
      default:
        repeats();
        break;
    }
    return want_;
  }

 private:
  std::int64_t at(std::int64_t t) const { return in_[static_cast<std::size_t>(t)]; }
  void label(std::int64_t t, std::int64_t id) { want_[static_cast<std::size_t>(t)] = id; }
  static void must(bool holds, const char* what) {
    if (!holds) throw std::string(what);
  }

  void mqar() {
    const auto end = 2 * c_.data.synthetic.pairs;
    std::map<std::int64_t, std::int64_t> value_of;
    std::set<std::int64_t> values, asked;
    for (std::int64_t t = 0; t < end; t += 2) {
      must(at(t) >= 1 && at(t) < c_.data.synthetic.vocabulary / 2, "a key is none");
      must(at(t + 1) >= c_.data.synthetic.vocabulary / 2, "a value is none");
      must(value_of.emplace(at(t), at(t + 1)).second, "a key stands twice");
      must(values.insert(at(t + 1)).second, "a value stands twice");
    }
    for (std::int64_t t = end; t < T_; ++t) {
      if (at(t) == 0) continue;
      must(t % 2 == 0 && value_of.contains(at(t)), "what is asked for is no key");
      must(asked.insert(at(t)).second, "a key is asked for twice");
      label(t, value_of.at(at(t)));
    }
    must(asked.size() == value_of.size(), "a key is not asked for");
  }

  void induction() {
    const auto marker = c_.data.synthetic.vocabulary - 1;
    const auto found = std::find(in_.begin(), in_.end(), marker);
    must(std::count(in_.begin(), in_.end(), marker) == 2 && in_.back() == marker, "not two triggers");
    must(found + 2 < in_.end(), "nothing follows the trigger");
    label(T_ - 1, *(found + 1));
  }

  void recall() {
    std::map<std::int64_t, std::int64_t> value_of;
    const auto half = (c_.data.synthetic.vocabulary - 2) / 2;
    for (std::int64_t t = 0; t < T_ - 2; t += 2) {
      must(at(t) < half && at(t + 1) >= half && at(t + 1) < c_.data.synthetic.vocabulary - 2, "no pair");
      must(value_of.emplace(at(t), at(t + 1)).first->second == at(t + 1), "a key has two values");
    }
    must(at(T_ - 2) == c_.data.synthetic.vocabulary - 1, "no marker");
    must(value_of.contains(at(T_ - 1)), "what is asked for was not said");
    label(T_ - 1, value_of.at(at(T_ - 1)));
  }

  void pairs() {
    std::map<std::int64_t, std::int64_t> value_of;
    for (std::int64_t t = 0; t < T_; t += 2) {
      if (ids_.noise.contains(at(t))) {
        must(ids_.noise.contains(at(t + 1)) && t + 2 < T_, "noise stands in a pair");
        continue;
      }
      must(ids_.keys.contains(at(t)) && ids_.values.contains(at(t + 1)), "no pair");
      const auto [found, is_new] = value_of.emplace(at(t), at(t + 1));
      must(found->second == at(t + 1), "a key has two values");
      if (!is_new) label(t, at(t + 1));
    }
    must(want_[static_cast<std::size_t>(T_ - 2)] != kNone, "the last key is new");
  }

  // Tokens of keys, then tokens of values, and so on; the last token is known by its label alone.
  void motifs() {
    std::int64_t t = 0;
    while (t < T_ && at(t) == ids_.blank) ++t;
    must(t >= 1, "no blank before it");
    std::map<Ids, Ids> value_of;
    while (t < T_) {
      const Ids key = run(t, ids_.keys), value = run(t, ids_.values);
      must(!key.empty() && std::ssize(key) <= c_.data.synthetic.motif, "a key's length");
      must(!tests_ || std::ssize(key) == c_.data.synthetic.motif, "a key of the test is shorter");
      must(std::set<std::int64_t>(key.begin(), key.end()).size() == key.size(), "a key has a token twice");
      const auto found = value_of.find(key);
      if (t == T_) {  // the last: all of the value but its last token
        must(found != value_of.end(), "the last key is new");
        must(value.size() + 1 == found->second.size(), "the last value breaks off");
      }
      if (found == value_of.end()) {
        must(!value.empty() && std::ssize(value) <= c_.data.synthetic.motif, "a value's length");
        value_of.emplace(key, value);
        continue;
      }
      must(t == T_ || value.size() == found->second.size(), "a key has values of two lengths");
      must(std::equal(value.begin(), value.end(), found->second.begin()), "a key has two values");
      const auto before = t - std::ssize(value) - 1;
      for (std::int64_t i = 0; i < std::ssize(found->second); ++i)
        label(before + i, found->second[static_cast<std::size_t>(i)]);
    }
  }

  Ids run(std::int64_t& t, const IdRange& range) const {
    Ids ids;
    for (; t < T_ && range.contains(at(t)); ++t) ids.push_back(at(t));
    return ids;
  }

  void copy() {
    const auto n = c_.data.synthetic.copied, V = c_.data.synthetic.vocabulary;
    std::int64_t said = 0;
    for (std::int64_t t = 0; t < T_ - n - 1; ++t)
      if (at(t) != V - 2) {
        must(at(t) < V - 2 && said < n, "another token to copy");
        label(T_ - n + said++, at(t));
      }
    must(said == n && at(T_ - n - 1) == V - 1, "too few tokens to copy, or no marker");
    for (std::int64_t t = T_ - n; t < T_; ++t) must(at(t) == V - 2, "no blank at a label");
  }

  // Which value a key has is told by the labels alone, and checked over all sequences.
  void facts() {
    for (std::int64_t t = 0; t < T_; t += 2)
      must(ids_.keys.contains(at(t)) && at(t + 1) == ids_.marker, "no key before a marker");
  }

  void compression() {
    must(std::find(in_.begin(), in_.end(), c_.data.synthetic.vocabulary - 1) == in_.end() - 1,
         "the last token is not the only marker");
    want_ = in_;
  }

  void repeats() {
    const auto p = first_label_;
    must(p >= (T_ + 7) / 8 && p <= T_ / 2 && std::equal(in_.begin() + p, in_.end(), in_.begin()),
         "nothing is repeated from the first label on");
    for (std::int64_t t = p; t < T_; ++t) label(t, at(t + 1 - p));
  }

  const Config& c_;
  TaskIds ids_;
  const Ids& in_;
  std::int64_t T_, first_label_;
  bool tests_;
  Ids want_;
};

// Each key has one value, and no other key has it; every second position says one.
std::string wrong_facts(const Config& config, const Batch& batch) {
  std::map<std::int64_t, std::int64_t> value_of, key_of;
  const auto ids = task_ids(config.data);
  for (std::int64_t b = 0; b < batch.inputs.size(0); ++b) {
    const Ids inputs = row_of(batch.inputs, b), labels = row_of(batch.targets, b);
    for (std::size_t t = 0; t < inputs.size(); t += 2) {
      if (labels[t] != kNone || !ids.values.contains(labels[t + 1])) return "a key has no value as its label";
      const auto key = inputs[t], value = labels[t + 1];
      if (value_of.emplace(key, value).first->second != value ||
          key_of.emplace(value, key).first->second != key)
        return str("key ", key, " has two values, or shares value ", value);
    }
  }
  return "";
}

}  // namespace

std::string wrong_labels(const Config& config, const Batch& batch, bool tests) {
  const bool by_heart = config.data.dataset == DatasetKind::kMemorization;
  for (std::int64_t b = 0; b < batch.inputs.size(0); ++b) {
    const Ids inputs = row_of(batch.inputs, b), labels = row_of(batch.targets, b);
    const auto where = [&] { return str("sequence ", batch.samples[static_cast<std::size_t>(b)], ": "); };
    try {
      const auto first = std::find_if(labels.begin(), labels.end(), [](auto id) { return id != kNone; });
      const Ids wanted = Reader(config, inputs, first - labels.begin(), tests).labels();
      for (std::size_t t = 0; !by_heart && t < wanted.size(); ++t)
        if (labels[t] != wanted[t])
          return str(where(), "the label at ", t, " is ", labels[t], ", by its definition ", wanted[t]);
    } catch (const std::string& fault) {
      return where() + fault;
    }
  }
  return by_heart ? wrong_facts(config, batch) : "";
}

std::optional<Finding> labels(const Config& step) {
  if (!step.data.is_synthetic()) return {};
  constexpr std::int64_t kSequences = 32;
  const SyntheticDataset data(step, 1);
  const auto T = step.gpt.context;
  const auto some = [&](Split split) {
    Ids numbers;
    for (std::int64_t j = 0; j < std::min(kSequences, data.num_windows(split, T)); ++j) numbers.push_back(j);
    return numbers;
  };
  const Ids of_train = some(Split::kTrain), of_tests = some(Split::kValidation);
  const Batch train = data.windows(Split::kTrain, of_train, T),
              other = data.with_seed(2)->windows(Split::kTrain, of_train, T),
              tests = data.windows(Split::kValidation, of_tests, T);
  for (const auto* batch : {&train, &other, &tests})
    if (const auto fault = wrong_labels(step, *batch, batch == &tests); !fault.empty())
      return Finding{false, fault};
  const Ids last{of_train.back()};
  const Batch alone = data.windows(Split::kTrain, last, T);
  if (!at::equal(alone.inputs[0], train.inputs[-1]) || !at::equal(alone.targets[0], train.targets[-1]))
    return Finding{false, str("sequence ", last[0], " is another one when it is asked for alone")};
  if (!at::equal(tests.inputs, data.with_seed(2)->windows(Split::kValidation, of_tests, T).inputs))
    return Finding{false, "the test set hangs on the seed"};
  constexpr std::int64_t kEnough = 32;  // ids that are not the same by chance
  if (train.inputs.numel() >= kEnough && at::equal(train.inputs, other.inputs))
    return Finding{false, "seeds 1 and 2 have the same training set"};
  const auto both = std::min(train.inputs.size(0), tests.inputs.size(0));
  if (both * T >= kEnough && at::equal(train.inputs.narrow(0, 0, both), tests.inputs.narrow(0, 0, both)))
    return Finding{false, "the test set is the training set"};
  return Finding{true, str("the labels of ", train.inputs.size(0), " sequences of two training sets and ",
                           tests.inputs.size(0), " of the test set follow from their inputs")};
}

}  // namespace kablate
