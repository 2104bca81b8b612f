#include "report/heads_map.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "report/table.h"

namespace kablate {
namespace {

struct Score {
  const char* title;
  double HeadScores::*value;
  double most;  // what a full shade stands for; 0: the map's own largest
};

constexpr std::array<Score, 5> kScores{
    {{"induction: attention to what followed the same id before", &HeadScores::induction, 1},
     {"previous: attention to the id before", &HeadScores::previous, 1},
     {"duplicate: attention to the same id before", &HeadScores::duplicate, 1},
     {"copying: eigenvalues of the OV map, from -1 to 1", &HeadScores::copying, 1},
     {"entropy of attention, in nats", &HeadScores::entropy, 0}}};

constexpr std::size_t kNumber = 5, kCell = kNumber + 2;  // "-1.00", a shade and a blank
constexpr std::size_t kLabel = 7;                        // of a layer, and a blank

std::string right(const std::string& text, std::size_t width) {
  return std::string(width > text.size() ? width - text.size() : 0, ' ') + text;
}

// 0 to 4, of a score's part of `most`.
std::size_t level(double part) {
  return static_cast<std::size_t>(std::clamp(std::floor(part * 5), 0.0, 4.0));
}

std::string cell(double value, double most, bool colour) {
  constexpr std::array kShades{" ", "░", "▒", "▓", "█"};
  // From the 256 of xterm: grounds from dark to bright, blue for what is below 0, with ink that stands out.
  constexpr std::array kWarm{"", "48;5;52;38;5;231", "48;5;94;38;5;231", "48;5;172;38;5;16",
                             "48;5;220;38;5;16"};
  constexpr std::array kCold{"", "48;5;17;38;5;231", "48;5;18;38;5;231", "48;5;26;38;5;231",
                             "48;5;39;38;5;16"};
  const std::size_t shade = level(most > 0 ? std::abs(value) / most : 0);
  const std::string text = right(score_text(value), kNumber) + kShades[shade];
  if (!colour || shade == 0) return text + " ";
  return str("\033[", value < 0 ? kCold[shade] : kWarm[shade], "m", text, "\033[0m ");
}

std::string line_without_end(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

// Heads [first, end) of every layer.
std::string piece(const HeadsRecord& record, const Score& score, double most, std::int64_t first,
                  std::int64_t end, bool colour) {
  std::string text = right("head", kLabel) + " ";
  for (auto head = first; head < end; ++head) text += right(std::to_string(head), kNumber) + "  ";
  text = line_without_end(text);
  std::int64_t layer = -1;
  std::string line;
  for (const auto& head : record.heads) {
    if (head.head < first || head.head >= end) continue;
    if (head.layer != layer && layer >= 0) text += line_without_end(line);
    if (head.layer != layer) line = right(std::to_string(layer = head.layer), kLabel) + " ";
    line += cell(head.*score.value, most, colour);
  }
  return text + line_without_end(line);
}

std::int64_t heads_of(const HeadsRecord& record) {
  std::int64_t most = 0;
  for (const auto& head : record.heads) most = std::max(most, head.head + 1);
  return most;
}

std::string map_of(const HeadsRecord& record, const Score& score, std::size_t width, bool colour) {
  double most = score.most;
  if (most == 0)
    for (const auto& head : record.heads) most = std::max(most, head.*score.value);
  const std::int64_t heads = heads_of(record);
  const auto room = static_cast<std::int64_t>(width > kLabel + kCell ? (width - kLabel - 1) / kCell : 1);
  std::string text = wrapped(score.title, width);
  for (std::int64_t first = 0; first < heads; first += room)
    text += piece(record, score, most, first, std::min(first + room, heads), colour);
  return text;
}

}  // namespace

std::string score_text(double score) {
  std::string text = fixed(score, 2);
  if (text == "-0.00") text = "0.00";
  if (text.starts_with("0.")) return text.substr(1);
  return text.starts_with("-0.") ? "-" + text.substr(2) : text;
}

std::string head_text(const HeadScores* head, double HeadScores::*score) {
  return head == nullptr
             ? ""
             : str("layer ", head->layer, " head ", head->head, " (", score_text(head->*score), ")");
}

std::string heads_map(const HeadsRecord& record, std::size_t width, bool colour) {
  std::string text;
  for (const auto& score : kScores) text += map_of(record, score, width, colour) + "\n";
  const auto above = std::count_if(record.heads.begin(), record.heads.end(),
                                   [](const auto& head) { return head.induction > kInductionHead; });
  const auto strongest = [&](const char* name, double HeadScores::*score) {
    return str("Strongest ", name, ": ", head_text(record.most(score), score), ".");
  };
  text += wrapped(str(strongest("induction head", &HeadScores::induction), " ", above, " of ",
                      record.heads.size(), " heads above ", score_text(kInductionHead), "."),
                  width);
  text += wrapped(strongest("head of the id before", &HeadScores::previous), width);
  text += wrapped(str("Loss on ids 1 to ", record.length - 1, " of the first copies ",
                      fixed(record.first_loss, 4), ", of the second ", fixed(record.second_loss, 4), ": ",
                      signed_fixed(record.loss_difference(), 4), "."),
                  width);
  return text;
}

}  // namespace kablate
