#include "plan/key.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"

namespace kablate {
namespace {

constexpr std::string_view kFormat =
    "kablate trial 1";  // a change of this text's form is a change of every key
constexpr std::string_view kAssign = " = ";
constexpr std::string_view kDataSeed = "DATA_SEED";  // 0: the trial's seed

// Hashes are cut: nobody reads them.
std::string brief(const std::string& value) {
  const bool hash = value.size() > 24 && value.find_first_not_of("0123456789abcdef") == std::string::npos;
  return hash ? value.substr(0, 12) + "…" : value;
}

}  // namespace

std::string key_text(const Config& config, std::int64_t step, std::int64_t rerun_index, std::int64_t seed,
                     const KeyContext& context) {
  return KeyTexts(config, step, rerun_index, context).text(seed);
}

KeyTexts::KeyTexts(const Config& config, std::int64_t step, std::int64_t rerun_index,
                   const KeyContext& context) {
  const auto unused = unused_symbols(config);
  std::string text = str(kFormat, "\n");
  const auto add_seed = [&](std::string_view name) {
    parts_.push_back(str(text, name, kAssign));
    text = "\n";
  };
  for (const auto& field : field_values(one_spelling(config))) {
    if (field.scope != Scope::kNumbers) continue;
    if (std::find(unused.begin(), unused.end(), field.symbol) != unused.end()) continue;
    if (field.symbol == kDataSeed && config.data.seed == 0)
      add_seed(kDataSeed);
    else
      text += str(field.symbol, kAssign, field.text, "\n");
  }
  if (!context.init_hash.empty()) text += str("init", kAssign, context.init_hash, "\n");
  text += str("step", kAssign, step, "\nrerun", kAssign, rerun_index, "\n");
  add_seed("seed");
  parts_.push_back(text + str("data", kAssign, context.data_hash, "\nthreads", kAssign, context.threads,
                              "\nranks", kAssign, context.ranks, "\ndevice", kAssign, context.device,
                              "\nkernels", kAssign, context.kernels, "\nLibTorch", kAssign,
                              context.torch_version, "\nsources", kAssign, context.build.sources,
                              "\ncompiler", kAssign, context.build.compiler, "\nflags", kAssign,
                              context.build.flags, "\n"));
}

std::string KeyTexts::text(std::int64_t seed) const { return join(parts_, std::to_string(seed)); }

std::string key_of(std::string_view key_text) { return hex(sha256(key_text)); }

void visit_key(std::string_view key_text,
               const std::function<void(std::string_view name, std::string_view value)>& line) {
  while (!key_text.empty()) {
    const auto end = std::min(key_text.find('\n'), key_text.size());
    const auto text = key_text.substr(0, end);
    if (const auto at = text.find(kAssign); at != std::string_view::npos)
      line(text.substr(0, at), text.substr(at + kAssign.size()));
    key_text.remove_prefix(std::min(end + 1, key_text.size()));
  }
}

std::map<std::string, std::string> key_values(std::string_view key_text) {
  std::map<std::string, std::string> values;
  visit_key(key_text,
            [&](std::string_view name, std::string_view value) { values[std::string(name)] = value; });
  return values;
}

std::string arm_key(const Config& config, std::string_view key_text) {
  std::string text;
  for (const auto& line : split(key_text, '\n')) {
    const bool follows_seed = config.data.seed == 0 && line.starts_with(str(kDataSeed, kAssign));
    if (!follows_seed && !line.starts_with(str("seed", kAssign))) text += line + "\n";
  }
  return key_of(text);
}

std::vector<std::string> key_differences(std::string_view then, std::string_view now) {
  const auto before = key_values(then), after = key_values(now);
  std::vector<std::string> phrases;
  const auto add = [&](const std::string& name, const std::string& from, const std::string& to) {
    if (from != to) phrases.push_back(str(name, " ", brief(from), " -> ", brief(to)));
  };
  for (const auto& [name, value] : before)
    if (!after.contains(name)) add(name, value, "not read");
  for (const auto& [name, value] : after)
    add(name, before.contains(name) ? before.at(name) : "not read", value);
  return phrases;
}

}  // namespace kablate
