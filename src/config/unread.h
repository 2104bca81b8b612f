// Values that are given and count for nothing: the symbols that nothing reads under a configuration, and what
// would make one be read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"

namespace kablate {

struct Config;

// unused_symbols(), and of those that say what runs: DATA_PATH of a data set that has its own place,
// ABLATION_PLAN where no plan is read.
std::vector<std::string> unread_symbols(const Config& config);
bool is_read(std::string_view symbol, const Config& config);

// The changes to one of `settings` that would make `symbol` be read, found by trying: "DATASET = text or
// bin", "RA_MLA_MLP_CROSS_TOKEN = y with RA_MLA_MLP_SPARSE_MODE = rms"; "" if no two changes do it.
std::string what_would_read(std::string_view symbol, const std::vector<Settings>& settings);

// For a command that makes a model and trains none: it reads the symbols that say what a model is, and
// `more`. Throws UserError if another one was given on a command line, or one that nothing reads under this
// configuration.
void check_read(const Settings& settings, std::string_view command,
                const std::vector<std::string_view>& more);

// A symbol's value with where it comes from, for messages: `--set: DATA_PATH = "x"`.
std::string given_value(const Settings& settings, std::string_view symbol);

// Whether the value was given on a command line, rather than by a file or the menu.
bool on_command_line(const Settings& settings, std::string_view symbol);

}  // namespace kablate
