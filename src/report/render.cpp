#include "report/render.h"

#include <algorithm>
#include <functional>

#include "base/text.h"

namespace kablate {
namespace {

using Real = std::optional<double>;

// A column of a table for people: its heading and what it shows of a row.
struct Column {
  std::string heading;
  bool right;
  std::function<std::string(const ReportRow&)> text;
};

std::string signed_fixed(double value, int digits) { return (value < 0 ? "" : "+") + fixed(value, digits); }

std::string loss_text(const std::optional<MeanSd>& loss) {
  if (!loss) return "";
  return fixed(loss->mean, 4) + (loss->sd ? " ± " + fixed(*loss->sd, 4) : "");
}

std::string interval_text(const std::optional<PairedDifference>& delta) {
  if (!delta || !delta->interval) return "";
  return "[" + signed_fixed(delta->interval->low, 4) + ", " + signed_fixed(delta->interval->high, 4) + "]";
}

template <typename T, typename Format>
std::string shown(const std::optional<T>& value, Format&& format) {
  return value ? format(*value) : "";
}

std::string bytes_text(const std::optional<std::int64_t>& bytes) {
  return shown(bytes, [](auto value) { return human_bytes(static_cast<double>(value)); });
}

std::string arm_text(const ReportRow& row) { return row.rerun_of ? str(row.name, " (rerun)") : row.name; }

bool equals_its_target(const ReportRow& row) {
  return row.rerun_of && row.identical_to == str(*row.rerun_of);
}

// Short; what is not equal is said in full below the table.
std::string equals_text(const ReportRow& row) {
  if (row.identical_to.empty() || equals_its_target(row)) return row.identical_to;
  return row.identical_to.starts_with("no") ? "NO" : "?";
}

// What the table has no room for, a line a step.
std::string below_the_table(const ReportRow& row) {
  const std::string step = str("step ", row.step, " (", row.name, "): ");
  std::string text;
  if (row.status != "done") text += step + row.status + "\n";
  if (row.rerun_of && !equals_its_target(row))
    text += str(step, "equal to step ", *row.rerun_of, "? ", row.identical_to, "\n");
  return text;
}

// Breaks at blanks so that no line is wider than the table may be; all but the first are indented.
std::string wrapped(const std::string& text) {
  constexpr std::size_t kWidth = 118;
  std::string result, line;
  for (const auto& word : split(text, ' ')) {
    if (!line.empty() && display_width(line) + 1 + display_width(word) > kWidth) {
      result += line + "\n";
      line = " ";
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return result + line + "\n";
}

std::vector<Column> terminal_columns() {
  return {
      {"step", true, [](const ReportRow& r) { return std::to_string(r.step); }},
      {"arm", false, [](const ReportRow& r) { return r.name; }},
      {"params", true, [](const ReportRow& r) { return shown(r.parameters, human_count); }},
      {"val loss", false, [](const ReportRow& r) { return loss_text(r.val_loss); }},
      {"change", true,
       [](const ReportRow& r) { return shown(r.delta, [](auto& d) { return signed_fixed(d.mean, 4); }); }},
      {"95 % interval", false, [](const ReportRow& r) { return interval_text(r.delta); }},
      {"%", true,
       [](const ReportRow& r) {
         return shown(r.delta_percent, [](double p) { return signed_fixed(p, 2); });
       }},
      {"ms/iter", true,
       [](const ReportRow& r) { return shown(r.ms_per_iter, [](double v) { return fixed(v, 1); }); }},
      {"peak", true, [](const ReportRow& r) { return bytes_text(r.peak_tensor_bytes); }},
      {"cache/token", true, [](const ReportRow& r) { return bytes_text(r.decode_cache_bytes_per_token); }},
      {"equals", false, [](const ReportRow& r) { return equals_text(r); }},
  };
}

std::vector<Column> markdown_columns() {
  auto columns = terminal_columns();
  const auto real = [](Real ReportRow::*field, int digits) {
    return [field, digits](const ReportRow& r) {
      return shown(r.*field, [&](double v) { return fixed(v, digits); });
    };
  };
  const auto percent = [](Real ReportRow::*field) {
    return [field](const ReportRow& r) {
      return shown(r.*field, [](double v) { return fixed(100 * v, 2) + " %"; });
    };
  };
  columns[1].text = arm_text;
  columns.back().text = [](const ReportRow& r) { return r.identical_to; };
  columns[2].text = [](const ReportRow& r) { return shown(r.parameters, grouped); };
  columns.insert(columns.begin() + 2,
                 {"seeds", true, [](const ReportRow& r) { return std::to_string(r.seeds); }});
  columns.insert(columns.begin() + 3, {"status", false, [](const ReportRow& r) { return r.status; }});
  columns.insert(
      columns.end() - 1,
      {{"train loss", false, [](const ReportRow& r) { return loss_text(r.train_loss); }},
       {"tokens/s", true, real(&ReportRow::tokens_per_s, 0)},
       {"FLOPs/iter", true, [](const ReportRow& r) { return shown(r.flops_per_iteration, human_count); }},
       {"MFU", true, percent(&ReportRow::mfu)},
       {"MFU, nanoGPT's", true, percent(&ReportRow::mfu_nanogpt)},
       {"peak resident", true, [](const ReportRow& r) { return bytes_text(r.peak_resident_bytes); }}});
  return columns;
}

// The columns in which some row has something.
TextTable make_table(const Report& report, const std::vector<Column>& columns) {
  TextTable table;
  table.rows.resize(report.rows.size());
  for (const auto& column : columns) {
    std::vector<std::string> cells;
    for (const auto& row : report.rows) cells.push_back(column.text(row));
    if (std::all_of(cells.begin(), cells.end(), [](const auto& cell) { return cell.empty(); })) continue;
    table.headings.push_back(column.heading);
    table.right.push_back(column.right);
    for (std::size_t i = 0; i < cells.size(); ++i) table.rows[i].push_back(cells[i]);
  }
  return table;
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string blanks(width - std::min(width, display_width(text)), ' ');
  return right ? blanks + text : text + blanks;
}

std::string markdown_cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string markdown_table(const TextTable& table) {
  std::string text = "|", rule = "|";
  for (std::size_t i = 0; i < table.headings.size(); ++i) {
    text += " " + markdown_cell(table.headings[i]) + " |";
    rule += table.right[i] ? "---:|" : "---|";
  }
  text += "\n" + rule + "\n";
  for (const auto& row : table.rows) {
    text += "|";
    for (const auto& cell : row) text += " " + markdown_cell(cell) + " |";
    text += "\n";
  }
  return text;
}

TextTable trial_table(const Report& report) {
  TextTable table{{"step", "arm", "seed", "state", "val loss", "wall time", "process", "host", "threads",
                   "beside", "went on", "weights", "files"},
                  {true, false, true, false, true, true, true, false, true, true, true, false, false},
                  {}};
  const auto integer = [](const auto& value) {
    return shown(value, [](auto v) { return std::to_string(v); });
  };
  for (const auto& trial : report.trials) {
    const auto& planned = trial.planned;
    const auto row = std::find_if(report.rows.begin(), report.rows.end(),
                                  [&](const ReportRow& r) { return r.step == planned.step; });
    const auto state =
        std::string(state_name(trial.state)) + (trial.reason.empty() ? "" : ": " + trial.reason);
    const auto s = trial.summary.value_or(TrialSummary{});
    table.rows.push_back({std::to_string(planned.step), row == report.rows.end() ? "" : arm_text(*row),
                          std::to_string(planned.seed), state,
                          shown(s.val_loss, [](double v) { return fixed(v, 6); }),
                          shown(s.wall_seconds, human_duration), integer(s.pid), s.host, integer(s.threads),
                          integer(s.beside), trial.summary ? std::to_string(s.interruptions) : "",
                          s.weights_sha256.substr(0, 12), "trials/" + planned.folder});
  }
  return table;
}

}  // namespace

std::size_t display_width(std::string_view utf8) {
  constexpr unsigned char kContinuation = 0x80, kMask = 0xC0;
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & kMask) != kContinuation;
  }));
}

std::string aligned(const TextTable& table) {
  std::vector<std::size_t> widths;
  for (const auto& heading : table.headings) widths.push_back(display_width(heading));
  for (const auto& row : table.rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i)
      text += (i == 0 ? "" : "  ") + padded(cells[i], widths[i], table.right[i]);
    return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  };
  std::vector<std::string> rule;
  for (const auto width : widths) rule.emplace_back(width, '-');
  std::string text = line(table.headings) + line(rule);
  for (const auto& row : table.rows) text += line(row);
  return text;
}

std::string render_terminal(const Report& report) {
  std::string text =
      str(report.name, ": ", report.folder, "\n\n", aligned(make_table(report, terminal_columns())));
  std::string below;
  for (const auto& row : report.rows) below += below_the_table(row);
  if (!below.empty()) text += "\n" + below;
  text += str("\nchange: to step ", report.baseline, ", in nats a token\n");
  for (const auto& note : report.notes) text += wrapped(note);
  return text;
}

std::string render_markdown(const Report& report) {
  std::string text = str("# ", report.name, "\n\n", markdown_table(make_table(report, markdown_columns())),
                         "\n`change` is the difference in validation loss to step ", report.baseline,
                         " in nats a token, `%` the same in percent of that step's mean.\n\n");
  for (const auto& note : report.notes) text += "- " + note + "\n";
  return text +
         "\n## Trials\n\nEach ran in a process of its own; `went on` counts how often it resumed.\n\n" +
         markdown_table(trial_table(report));
}

}  // namespace kablate
