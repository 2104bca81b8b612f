#include "plan/yaml_reader.h"

#include <algorithm>
#include <set>
#include <sstream>

#include <yaml-cpp/eventhandler.h>

#include "base/error.h"
#include "base/text.h"
#include "plan/yaml_diagnosis.h"

namespace kablate {
namespace {

// Takes a document's events and keeps none.
struct IgnoreEvents final : YAML::EventHandler {
  using Mark = YAML::Mark;
  using Anchor = YAML::anchor_t;
  using Text = const std::string&;
  using Style = YAML::EmitterStyle::value;
  void OnDocumentStart(const Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const Mark&, Anchor) override {}
  void OnAlias(const Mark&, Anchor) override {}
  void OnScalar(const Mark&, Text, Anchor, Text) override {}
  void OnSequenceStart(const Mark&, Text, Anchor, Style) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const Mark&, Text, Anchor, Style) override {}
  void OnMapEnd() override {}
};

// YAML::Load reads the first document and drops the others without a word; YAML::LoadAll (0.7) never ends on
// a text such as ",a".
bool holds_one_document(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  IgnoreEvents ignore;
  return parser.HandleNextDocument(ignore) && !parser.HandleNextDocument(ignore);
}

std::string meant(const std::string& key, const std::vector<std::string>& allowed) {
  const auto nearest = nearest_name(key, allowed);
  return (nearest.empty() ? "" : "did you mean " + nearest + "? ") + "allowed: " + join(allowed, ", ");
}

}  // namespace

YamlReader::YamlReader(std::string text, std::string path) : text_(std::move(text)), path_(std::move(path)) {}

std::string YamlReader::where(const YAML::Node& node) const { return where(node.Mark()); }

std::string YamlReader::where(const YAML::Mark& mark) const {
  return str(path_, ":", std::max(mark.line, 0) + 1);
}

void YamlReader::fail(const YAML::Node& node, const std::string& what) const {
  throw UserError(str(where(node), ": ", what));
}

YAML::Node YamlReader::load() const {
  if (text_.find('\0') != std::string::npos) throw UserError(str(path_, ": not a text file; expected YAML"));
  if (const auto fault = unclosed_quote(text_))
    throw UserError(str(path_, ":", fault->line, ": not YAML: ", fault->what));
  try {
    if (!holds_one_document(text_)) throw UserError(str(path_, ":1: expected one YAML document, a plan"));
    return YAML::Load(text_);
  } catch (const YAML::Exception& fault) {
    if (const auto known = diagnose_yaml(text_))
      throw UserError(str(path_, ":", known->line, ": not YAML: ", known->what));
    throw UserError(str(where(fault.mark), ": not YAML: ", fault.msg));
  }
}

YamlReader::Entries YamlReader::entries(const YAML::Node& node, const std::string& what,
                                        const std::vector<std::string>& allowed) const {
  if (!node.IsMap()) fail(node, what + ": expected keys with values, such as `name: ladder`");
  Entries result;
  std::set<std::string> seen;
  for (const auto& entry : node) {
    if (!entry.first.IsScalar()) fail(entry.first, what + ": a key must be a plain word or number");
    const auto& key = entry.first.Scalar();
    if (entry.second.IsNull() && key.find(':') != std::string::npos)
      fail(entry.first, str(what, ": \"", key, "\": a blank is missing after the colon"));
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), key) == allowed.end())
      fail(entry.first, str(what, ": unknown key \"", key, "\"; ", meant(key, allowed)));
    if (!seen.insert(key).second) fail(entry.first, str(what, ": \"", key, "\" stands twice"));
    result.emplace_back(key, entry.second);
  }
  return result;
}

std::vector<YAML::Node> YamlReader::members(const YAML::Node& node, const std::string& what,
                                            const std::string& example) const {
  if (!node.IsSequence() || node.size() == 0) fail(node, str(what, ": expected a list, such as ", example));
  return {node.begin(), node.end()};
}

const std::string& YamlReader::scalar(const YAML::Node& node, const std::string& what) const {
  if (!node.IsScalar()) fail(node, what + ": expected one value");
  return node.Scalar();
}

std::int64_t YamlReader::number(const std::string& text, const YAML::Node& node,
                                const std::string& what) const {
  const auto value = parse_int(text);
  if (!value || *value < 0 || *value > 1000000)
    fail(node, str(what, " = \"", text, "\": allowed: a whole number from 0 to 1000000"));
  return *value;
}

std::int64_t YamlReader::whole_number(const YAML::Node& node, const std::string& what) const {
  return number(scalar(node, what), node, what);
}

}  // namespace kablate
