// A parameter tensor as every layer of the program knows it: name, shape, initial distribution, part.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kablate {

// The rows of `plan`'s table of parameters by part.
enum class Part { kEmbedding, kAttention, kMlp, kNorm, kGate, kCrossToken, kCoupler, kHead };
const char* part_name(Part part);  // "embedding", "attention", …

struct Parameter {
  std::string name;  // spec, section 5: the key in a checkpoint
  std::vector<std::int64_t> shape;
  double mean = 0, deviation = 0;  // N(mean, deviation); deviation 0 is a constant (spec, section 4)
  Part part = Part::kEmbedding;

  std::int64_t count() const {
    std::int64_t product = 1;
    for (const auto size : shape) product *= size;
    return product;
  }
};

}  // namespace kablate
