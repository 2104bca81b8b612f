#include "audit/seeded_data.h"

#include <vector>

#include "audit/subject.h"
#include "base/rng.h"
#include "config/config.h"

namespace kablate {
namespace {

class SeededData final : public StreamDataset {
 public:
  SeededData(std::int64_t vocabulary, std::int64_t context) {
    train_ = stream("audit/train", 40 * context + 3, vocabulary);
    validation_ = stream("audit/validation", 12 * context + 5, vocabulary);
    vocabulary_ = vocabulary;
    tokenizer_ = Tokenizer::of_numbers(vocabulary);
  }

  std::string hash() const override { return "made for the gates"; }

 private:
  static TokenStream stream(const char* name, std::int64_t count, std::int64_t vocabulary) {
    const auto key = stream_key(1, name);
    const auto tokens = std::make_shared<std::vector<std::uint32_t>>();
    for (std::int64_t i = 0; i < count; ++i)
      tokens->push_back(static_cast<std::uint32_t>(random_uniform(key, static_cast<std::uint64_t>(i)) *
                                                   static_cast<double>(vocabulary)));
    return TokenStream(TokenStream::Wide(*tokens), tokens);
  }
};

}  // namespace

std::shared_ptr<const StreamDataset> seeded_data(const Config& config) {
  return std::make_shared<const SeededData>(
      config.objective.masked() ? audited_mask_token(config) : config.gpt.vocabulary, config.gpt.context);
}

}  // namespace kablate
