// Sampling gives the text of full passes over the same windows, at a cost that is linear in its length.
#include "generate/sample.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <set>

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "base/text.h"
#include "support/engine/model_fixture.h"

namespace kablate {
namespace {

using Ids = std::vector<std::int64_t>;

Ids all_ids(const Config& config) {
  Ids ids(static_cast<std::size_t>(config.gpt.vocabulary));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

TEST(Sampling, DropsHalfTheContextWheneverItIsFull) {
  const auto out_of_sight = [](std::int64_t context, std::int64_t most) {
    Ids found;
    for (std::int64_t size = 1; size <= most; ++size) found.push_back(tokens_out_of_sight(size, context));
    return found;
  };
  EXPECT_EQ(out_of_sight(4, 11), (Ids{0, 0, 0, 0, 2, 2, 4, 4, 6, 6, 8}));
  EXPECT_EQ(out_of_sight(5, 12), (Ids{0, 0, 0, 0, 0, 3, 3, 3, 6, 6, 6, 9}));
  EXPECT_EQ(out_of_sight(1, 4), (Ids{0, 1, 2, 3}));
  for (std::int64_t context = 1; context < 10; ++context)
    for (std::int64_t size = 1; size < 100; ++size) {
      const auto seen = size - tokens_out_of_sight(size, context);
      EXPECT_LE(seen, context);
      EXPECT_GE(seen, std::min(size, std::max<std::int64_t>(1, context / 2)));
    }
}

Ids greedy_by_full_pass(const Gpt& model, Ids tokens, int count) {
  for (int n = 0; n < count; ++n) {
    const auto start = tokens_out_of_sight(std::ssize(tokens), model.spec().T);
    const Ids window(tokens.begin() + start, tokens.end());
    const Tensor logits_TV = model.logits(at::tensor(window, at::kLong).unsqueeze(0))[0];
    tokens.push_back(logits_TV[-1].argmax().item<std::int64_t>());
  }
  return tokens;
}

TEST(Sampling, GivesTheTextOfTheFullPassAlsoPastTheContext) {
  for (const auto& arm : arms()) {
    SCOPED_TRACE(arm.name);
    const Config config = small_config(arm.deltas);
    const auto parameters = in_double(random_parameters(config, 5));
    const Gpt model(config, parameters);
    for (const std::size_t size : {1u, 3u, 8u, 11u}) {
      const Ids prompt(size, 4);
      const auto found = sample_tokens(model, prompt, config.gpt.context, at::kCPU,
                                       {.tokens = 20, .top_k = 1, .ids = all_ids(config)});
      EXPECT_EQ(found, greedy_by_full_pass(model, prompt, 20)) << size;
    }
  }
}

// While it lives: how many tokens were embedded, which every pass of the model begins with.
class EmbeddedTokens {
 public:
  EmbeddedTokens() {
    count() = 0;
    handle_ = at::addGlobalCallback(
        at::RecordFunctionCallback(&see).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  }
  ~EmbeddedTokens() { at::removeCallback(handle_); }
  static std::int64_t& count() {
    static std::int64_t tokens = 0;
    return tokens;
  }

 private:
  static std::unique_ptr<at::ObserverContext> see(const at::RecordFunction& function) {
    if (std::string_view(function.name()) == "aten::embedding")
      count() += function.inputs()[1].toTensor().numel();
    return nullptr;
  }
  at::CallbackHandle handle_ = 0;
};

TEST(Sampling, TakesTwoStepsATokenAtTheMost) {
  const Config config = small_config();
  const auto parameters = random_parameters(config, 5);
  const Gpt model(config, parameters);
  const EmbeddedTokens embedded;
  for (const std::int64_t tokens : {1, 5, 100, 400}) {
    EmbeddedTokens::count() = 0;
    sample_tokens(model, {1}, config.gpt.context, at::kCPU, {.tokens = tokens, .ids = all_ids(config)});
    EXPECT_GE(EmbeddedTokens::count(), tokens);
    EXPECT_LE(EmbeddedTokens::count(), tokens <= config.gpt.context ? tokens : 2 * tokens) << tokens;
  }
}

TEST(Sampling, DrawsOnlyTheIdsThatItIsGiven) {
  const Config config = small_config();
  const auto parameters = random_parameters(config, 5);
  const Gpt model(config, parameters);
  const Ids ids{1, 4, 5};
  std::set<std::int64_t> seen;
  for (const std::int64_t top_k : {0, 2, 3, 50}) {
    const auto text = sample_tokens(model, {0}, config.gpt.context, at::kCPU,
                                    {.tokens = 60, .temperature = 5, .top_k = top_k, .ids = ids});
    seen.insert(text.begin() + 1, text.end());
  }
  EXPECT_EQ(seen, std::set<std::int64_t>(ids.begin(), ids.end()));
}

TEST(Sampling, HandsOverEachTokenAndEndsWhereItIsTold) {
  const Config config = small_config();
  const auto parameters = random_parameters(config, 5);
  const Gpt model(config, parameters);
  Ids handed;
  const auto text =
      sample_tokens(model, {0, 1}, config.gpt.context, at::kCPU, {.tokens = 9, .ids = all_ids(config)},
                    [&](std::int64_t id) { return handed.push_back(id), handed.size() < 3; });
  ASSERT_EQ(handed.size(), 3u);
  EXPECT_EQ(text, (Ids{0, 1, handed[0], handed[1], handed[2]}));
}

// Written for reading: of (probability, id), likeliest first, what may be drawn; then by the one number.
std::int64_t drawn_plainly(const Tensor& logits_V, const SampleOptions& options, double u) {
  const auto* logits = logits_V.const_data_ptr<double>();
  struct Choice {
    double weight;
    std::int64_t id;
  };
  std::vector<Choice> choices;
  for (const auto id : options.ids) choices.push_back({std::exp(logits[id] / options.temperature), id});
  std::stable_sort(choices.begin(), choices.end(),
                   [](const Choice& a, const Choice& b) { return a.weight > b.weight; });
  if (options.top_k > 0 && choices.size() > static_cast<std::size_t>(options.top_k))
    choices.resize(static_cast<std::size_t>(options.top_k));
  const auto total = [&] {
    double sum = 0;
    for (const auto& choice : choices) sum += choice.weight;
    return sum;
  };
  double reached = 0;
  const double all = total();
  for (std::size_t i = 0; i < choices.size(); ++i) {
    reached += choices[i].weight / all;
    if (reached >= options.top_p) choices.resize(i + 1);
  }
  std::sort(choices.begin(), choices.end(), [](const Choice& a, const Choice& b) { return a.id < b.id; });
  double left = u * total();
  for (const auto& choice : choices)
    if ((left -= choice.weight) < 0) return choice.id;
  return choices.back().id;
}

Ids sampled_plainly(const Gpt& model, Ids tokens, const SampleOptions& options, std::uint64_t key) {
  const auto start_of_text = static_cast<std::ptrdiff_t>(tokens.size());
  for (std::int64_t n = 0; n < options.tokens; ++n) {
    const auto start = tokens_out_of_sight(std::ssize(tokens), model.spec().T);
    const Ids window(tokens.begin() + start, tokens.end());
    const Tensor logits_TV = model.logits(at::tensor(window, at::kLong).unsqueeze(0))[0];
    tokens.push_back(drawn_plainly(logits_TV[-1].contiguous(), options,
                                   random_uniform(key, static_cast<std::uint64_t>(n))));
    const Ids drawn(tokens.begin() + start_of_text, tokens.end());
    if (ends_in(drawn, options.stop)) break;
  }
  return tokens;
}

// Every combination of the options, against text that is drawn plainly, one sequence at a time.
TEST(Sampling, DrawsWhatItsOptionsSayTextByText) {
  const Config config = small_config(arms().back().deltas);
  const auto parameters = in_double(random_parameters(config, 5));
  const Gpt model(config, parameters);
  std::set<std::size_t> sizes;
  for (const std::int64_t top_k : {0, 1, 3})
    for (const double top_p : {1.0, 0.8, 0.3, 1e-9})
      for (const double temperature : {0.5, 1.0, 4.0})
        for (const Ids& stop : {Ids{}, Ids{3}, Ids{3, 4}, Ids{4, 4}}) {
          SCOPED_TRACE(
              str("top_k ", top_k, ", top_p ", top_p, ", temperature ", temperature, ", stop ", stop.size()));
          const SampleOptions options{.tokens = 12,
                                      .temperature = temperature,
                                      .top_k = top_k,
                                      .top_p = top_p,
                                      .seed = 7,
                                      .ids = {1, 3, 4, 5},
                                      .stop = stop};
          const auto texts = sample_sequences(model, {2, 1}, 3, config.gpt.context, at::kCPU, options);
          ASSERT_EQ(texts.size(), 3u);
          for (std::size_t i = 0; i < texts.size(); ++i) {
            const auto key = stream_key(7, i == 0 ? "sample" : str("sample/", i));
            EXPECT_EQ(texts[i], sampled_plainly(model, {2, 1}, options, key)) << i;
            sizes.insert(texts[i].size());
          }
        }
  EXPECT_GT(sizes.size(), 5u) << "texts of many lengths were stopped";
}

TEST(Sampling, MakesTheSameTextsHoweverManyThereAre) {
  for (const auto& arm : arms()) {
    SCOPED_TRACE(arm.name);
    const Config config = small_config(arm.deltas);
    const auto parameters = in_double(random_parameters(config, 5));
    const Gpt model(config, parameters);
    const SampleOptions options{.tokens = 15, .seed = 3, .ids = all_ids(config)};
    const auto four = sample_sequences(model, {1, 2}, 4, config.gpt.context, at::kCPU, options);
    const auto two = sample_sequences(model, {1, 2}, 2, config.gpt.context, at::kCPU, options);
    EXPECT_EQ(std::vector(four.begin(), four.begin() + 2), two);
    EXPECT_EQ(two.front(), sample_tokens(model, {1, 2}, config.gpt.context, at::kCPU, options));
    EXPECT_EQ(std::set<Ids>(four.begin(), four.end()).size(), 4u) << "each has numbers of its own";
  }
}

TEST(Sampling, HoldsBackWhatMayBeginItsStop) {
  const auto certain = [](const Ids& tokens, const Ids& stop) { return tokens_before_stop(tokens, stop); };
  EXPECT_EQ(certain({1, 2, 3}, {}), 3);
  EXPECT_EQ(certain({1, 2, 3}, {4}), 3);
  EXPECT_EQ(certain({1, 2, 3}, {3, 4}), 2);
  EXPECT_EQ(certain({1, 3, 3}, {3, 3, 4}), 1);
  EXPECT_EQ(certain({1, 3, 4}, {3, 4}), 1);
  EXPECT_EQ(certain({3}, {3, 3, 4}), 0);
  EXPECT_FALSE(ends_in(Ids{1, 2}, Ids{}));
  EXPECT_TRUE(ends_in(Ids{1, 2}, Ids{1, 2}));
  EXPECT_FALSE(ends_in(Ids{2}, Ids{1, 2}));
}

}  // namespace
}  // namespace kablate
