// What is found of a finished trial's weights later, and stored beside its files: heads.json, knockout.json.
// DONE does not list such a file; it is sealed, and names the weights that it is about.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/json.h"

namespace kablate {

// Of the file `path`, which `command` writes. Empty if there is none, if it is about other weights than
// `weights_sha256`, or if it is damaged: then `problem` gets a line that says so and what to do.
std::optional<Json> read_later_file(const std::filesystem::path& path, const std::string& weights_sha256,
                                    const std::string& command, std::string* problem);

// The line for content that is not what `command` writes.
std::string unreadable(const std::filesystem::path& path, const std::string& command, const std::string& why);

// The same as read_later_file, taken apart: `from_json` throws Json::exception where the content is not
// what `command` writes, which is a problem like the others.
template <typename FromJson>
auto read_later_file(const std::filesystem::path& path, const std::string& weights_sha256,
                     const std::string& command, std::string* problem, FromJson&& from_json)
    -> std::optional<decltype(from_json(Json()))> {
  const auto json = read_later_file(path, weights_sha256, command, problem);
  if (json) try {
      return from_json(*json);
    } catch (const Json::exception& fault) {
      *problem = unreadable(path, command, fault.what());
    }
  return {};
}

}  // namespace kablate
