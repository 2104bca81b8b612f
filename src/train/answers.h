// What a model says where data have labels, in words.
#pragma once

#include <string>

#include <c10/core/Device.h>

#include "data/dataset.h"
#include "model/gpt.h"

namespace kablate {

// The first sequence of the test set, its ids in a line, and a line for each label with what the model says.
std::string answers_of(const Gpt& model, const Dataset& data, c10::Device device);

}  // namespace kablate
