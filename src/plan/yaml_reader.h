// A YAML text read strictly: whatever would be ignored is an error that starts with path and line.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <yaml-cpp/yaml.h>

namespace kablate {

class YamlReader {
 public:
  YamlReader(std::string text, std::string path);

  // The one document of the text. Throws UserError for what is no YAML, several documents or none.
  YAML::Node load() const;

  std::string where(const YAML::Node& node) const;                                // "plans/ra-mla.yaml:7"
  [[noreturn]] void fail(const YAML::Node& node, const std::string& what) const;  // throws UserError

  // The entries of a map in the order of the file; `allowed` empty admits every key. Throws for an unknown
  // key and for one that stands twice. `what` is the map's name in messages.
  using Entries = std::vector<std::pair<std::string, YAML::Node>>;
  Entries entries(const YAML::Node& node, const std::string& what,
                  const std::vector<std::string>& allowed) const;

  // The members of a list that is not empty; `example` shows one in the message.
  std::vector<YAML::Node> members(const YAML::Node& node, const std::string& what,
                                  const std::string& example) const;

  const std::string& scalar(const YAML::Node& node, const std::string& what) const;

  // A whole number from 0 to 1000000: `text`, which stands at `node`, or the node itself.
  std::int64_t number(const std::string& text, const YAML::Node& node, const std::string& what) const;
  std::int64_t whole_number(const YAML::Node& node, const std::string& what) const;

 private:
  std::string where(const YAML::Mark& mark) const;

  std::string text_, path_;
};

}  // namespace kablate
