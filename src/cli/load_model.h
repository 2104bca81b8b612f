// A model with given weights, for the commands that only look at it.
#pragma once

#include <memory>
#include <string>

#include "config/config.h"
#include "model/gpt.h"
#include "model/parameters.h"

namespace kablate {

struct LoadedModel {
  Config config;
  c10::Device device;
  std::unique_ptr<Gpt> model;  // computes in float32, whatever DTYPE says
};

// The configuration with the weights of `path`. Throws UserError if they don't belong together, or where the
// configuration lets a token see its future.
LoadedModel load_model(const Config& config, const std::string& path);

// Throws UserError if `path` can't become a file: no such folder, no permission, a folder of that name.
void check_writable(const std::string& path, const char* option = "--out");

// The same of --out and, where it is not empty, --config-out, which must be another file.
void check_outputs(const std::string& out, const std::string& config_out);

}  // namespace kablate
