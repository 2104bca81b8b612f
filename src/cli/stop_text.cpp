#include "cli/stop_text.h"

#include <algorithm>
#include <bitset>

#include "base/error.h"
#include "base/text.h"
#include "generate/sample.h"

namespace kablate {
namespace {

// Of byte pairs: whether every byte of it stands in a token that may be drawn, and it is not too long for
// all.
void check_text(const std::string& text, std::int64_t tokens, const Tokenizer& tokenizer,
                const std::vector<std::int64_t>& drawable) {
  std::bitset<256> held;
  std::size_t longest = 0;
  for (const auto id : drawable) {
    const auto bytes = tokenizer.decode_next(id);
    for (const char byte : bytes) held.set(static_cast<unsigned char>(byte));
    longest = std::max(longest, bytes.size());
  }
  const std::string given = "--stop = " + text;
  for (const char byte : text)
    if (!held.test(static_cast<unsigned char>(byte)))
      throw UserError(str(given, ": no token that may be drawn has its byte ",
                          static_cast<int>(static_cast<unsigned char>(byte)),
                          ", since the data or the model lacks it; leave --stop out, or give another text"));
  if (text.size() > longest * static_cast<std::size_t>(tokens))
    throw UserError(str(given, ": ", text.size(), " bytes, but --tokens = ", tokens,
                        " tokens have no more than ", longest * static_cast<std::size_t>(tokens),
                        "; give a shorter text, or more tokens"));
}

}  // namespace

Stop checked_stop(const std::string& text, std::int64_t tokens, const Tokenizer& tokenizer,
                  const std::vector<std::int64_t>& drawable) {
  if (text.empty()) return {};
  const auto stop = tokenizer.encode(text, "--stop");  // of byte pairs: that it is text
  if (tokenizer.is_bpe()) {
    check_text(text, tokens, tokenizer, drawable);
    return {.ids = {}, .text = text};
  }
  const auto unseen = std::find_if(stop.begin(), stop.end(), [&](auto id) {
    return !std::binary_search(drawable.begin(), drawable.end(), id);
  });
  const std::string given = "--stop = " + text;
  if (unseen != stop.end())
    throw UserError(str(given, ": token ", *unseen,
                        " is never drawn, since the data or the model lacks it; "
                        "leave --stop out, or give another text"));
  if (std::ssize(stop) > tokens)
    throw UserError(str(given, ": ", stop.size(), " tokens, but no more than --tokens = ", tokens,
                        " are drawn; give a shorter text, or more tokens"));
  return {.ids = stop, .text = ""};
}

void Drawn::add(std::int64_t id) {
  const std::size_t before = text_.size();
  ids_.push_back(id);
  text_ += tokenizer_.decode_next(id);
  ends_.push_back(text_.size());
  if (stop_.text.empty()) return;
  const std::size_t reach = stop_.text.size() - 1;  // it may have begun before
  found_ = text_.find(stop_.text, before - std::min(before, reach));
}

bool Drawn::ended() const { return ends_in(ids_, stop_.ids) || found_ != std::string::npos; }

std::size_t Drawn::settled() const {
  if (found_ != std::string::npos) return found_;
  const auto tokens = static_cast<std::size_t>(tokens_before_stop(ids_, stop_.ids));
  std::size_t held = stop_.text.empty() ? 0 : std::min(stop_.text.size() - 1, text_.size());
  while (held > 0 && !text_.ends_with(std::string_view(stop_.text).substr(0, held))) --held;
  return (tokens == 0 ? 0 : ends_[tokens - 1]) - held;
}

bool last_token_ends(std::span<const std::int64_t> ids, const Tokenizer& tokenizer, const std::string& stop) {
  std::string text = tokenizer.decode_next(ids.back());
  const std::size_t enough = text.size() + stop.size() - 1;
  for (auto i = ids.size() - 1; i > 0 && text.size() < enough; --i)
    text.insert(0, tokenizer.decode_next(ids[i - 1]));
  return text.find(stop) != std::string::npos;
}

}  // namespace kablate
