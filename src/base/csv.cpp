#include "base/csv.h"

#include <utility>

namespace kablate {
namespace {

class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : text_(text) {}

  CsvText read() {
    while (at_ < text_.size()) {
      if (ends_line()) {
        step_over_line_end();
        continue;
      }
      result_.records.push_back({.line = line_, .fields = {}});
      read_record(result_.records.back().fields);
    }
    return std::move(result_);
  }

 private:
  bool ends_line() const {
    return text_[at_] == '\n' || (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n');
  }
  void step_over_line_end() {
    at_ += text_[at_] == '\r' ? 2 : 1;
    ++line_;
  }
  void suspect(std::int64_t line) {
    if (result_.bad_quote == 0) result_.bad_quote = line;
  }

  void read_record(std::vector<std::string>& fields) {
    for (;;) {
      fields.push_back(read_field());
      if (at_ == text_.size()) return;
      if (ends_line()) return step_over_line_end();
      ++at_;  // the comma
    }
  }

  std::string read_field() {
    std::string field;
    if (at_ < text_.size() && text_[at_] == '"') read_quoted(field);
    for (; at_ < text_.size() && text_[at_] != ',' && !ends_line(); ++at_) {
      if (text_[at_] == '"') suspect(line_);
      field += text_[at_];
    }
    return field;
  }

  void read_quoted(std::string& field) {
    const auto begin = line_;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"' && (at_ + 1 == text_.size() || text_[at_ + 1] != '"')) {
        ++at_;
        if (at_ < text_.size() && text_[at_] != ',' && !ends_line()) suspect(line_);
        return;
      }
      if (text_[at_] == '"') ++at_;  // of two, one
      if (text_[at_] == '\n') ++line_;
      field += text_[at_];
    }
    suspect(begin);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
  CsvText result_;
};

}  // namespace

CsvText read_csv(std::string_view text) { return CsvReader(text).read(); }

}  // namespace kablate
