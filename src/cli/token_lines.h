// Files of numbers, one sequence a line, that a user gives beside a model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace kablate {

struct Config;

struct NumberLine {
  std::string where;  // "ids.txt:3"
  std::vector<std::int64_t> numbers;
};

// What a file holds: numbers from 0 to `most`.
struct Content {
  std::string name, allowed;
  std::int64_t most;
};

// The lines that are not blank, of which there is one. All throw UserError naming file and line.
std::vector<NumberLine> read_number_lines(const std::string& path, const Content& content);

// [lines, T] int64. REQUIRES: all lines are of one length.
at::Tensor rows_of(const std::vector<NumberLine>& lines);

// Ids of the model's vocabulary, all lines of one length that the model has positions for.
std::vector<NumberLine> read_token_lines(const std::string& path, const Config& config);

}  // namespace kablate
