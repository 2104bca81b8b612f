#include "data/token_files.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <set>

#include <glob.h>

#include "base/error.h"
#include "base/file.h"
#include "base/input_file.h"
#include "base/json.h"
#include "base/text.h"
#include "data/token_format.h"

namespace kablate {
namespace {

namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little,
              "token files are little-endian and used as they lie");

constexpr std::int32_t kShardMagic = 20240520, kShardVersion = 1;
constexpr std::size_t kShardHeader = 256 * sizeof(std::int32_t);
constexpr const char* kRemedy =
    "DATASET = bin needs a folder with train.bin and val.bin, which nanoGPT's data/*/prepare.py writes, or "
    "files whose names match DATA_PATH, such as fineweb/*.bin";

bool is_pattern(const std::string& path) { return path.find_first_of("*?[") != std::string::npos; }

// By the bytes of their names, whatever the locale.
std::vector<fs::path> matches(const std::string& pattern) {
  glob_t found{};
  const int code = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
  std::vector<std::string> names;
  if (code == 0) names.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  // What describes the tokens lies beside them.
  std::erase_if(names, [](const std::string& name) {
    const auto file = fs::path(name).filename();
    return file == "meta.json" || file == "vocab.bpe" || file == "progress.json";
  });
  std::sort(names.begin(), names.end());
  return {names.begin(), names.end()};
}

std::vector<fs::path> in_folder(const fs::path& folder) {
  std::error_code ignored;
  const auto train = folder / "train.bin", validation = folder / "val.bin";
  if (fs::exists(train, ignored) || fs::exists(validation, ignored)) return {train, validation};
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().extension() == ".bin") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths.empty() ? std::vector{train, validation} : paths;
}

std::vector<fs::path> paths_of(const DataSource& source) {
  std::error_code ignored;
  if (!fs::exists(source.path, ignored) && is_pattern(source.path.string())) {
    const auto paths = matches(source.path.string());
    if (paths.empty()) throw UserError(str(source.label, ": no file has such a name; ", kRemedy));
    return paths;
  }
  if (fs::exists(source.path, ignored) && !fs::is_directory(source.path, ignored)) {
    const auto kind = other_than_file(source.path);
    throw UserError(str(source.label, ": is ", kind.empty() ? "a file" : kind, ", not a folder; ", kRemedy));
  }
  return in_folder(source.path);
}

// Checks llm.c's header, if there is one, and gives the bytes that it has.
std::size_t shard_header(std::string_view bytes, const std::string& label) {
  std::array<std::int32_t, 3> head{};  // magic, version, count
  if (bytes.size() < sizeof head) return 0;
  std::memcpy(head.data(), bytes.data(), sizeof head);
  const auto [magic, version, count] = head;
  if (magic != kShardMagic) return 0;
  if (version != kShardVersion)
    throw UserError(str(label, ": is llm.c's token file of version ", version, "; allowed: version ",
                        kShardVersion, ", of 16-bit ids"));
  const std::int64_t need = static_cast<std::int64_t>(kShardHeader) + 2 * static_cast<std::int64_t>(count);
  if (count >= 0 && need == std::ssize(bytes)) return kShardHeader;
  throw UserError(str(label, ": llm.c's header says ", count, " tokens, which need ", need,
                      " bytes with it; the file has ", bytes.size(), ": was it cut short? Write it again"));
}

TokenFile open_file(const fs::path& path, const std::string& label) {
  TokenFile opened;
  opened.path = path, opened.label = label;
  opened.file = std::make_shared<MappedFile>(path, label, kRemedy);
  const auto bytes = opened.file->bytes();
  const std::size_t header = shard_header(bytes, label);
  if (header == 0)
    if (const auto format = foreign_token_format(bytes); !format.empty())
      throw UserError(str(label, ": ", format));
  if (bytes.size() % 2 != 0)
    throw UserError(
        str(label, ": ", bytes.size(),
            " bytes are no whole number of uint16 tokens: the file was cut short; write it again"));
  opened.header = static_cast<std::int64_t>(header);
  opened.tokens = {reinterpret_cast<const std::uint16_t*>(bytes.data() + header),
                   (bytes.size() - header) / 2};
  return opened;
}

TokenMeta read_meta(const fs::path& path) {
  const Json json = Json::parse(read_text(path), nullptr, /*allow_exceptions=*/false);
  const auto refuse = [&](const std::string& why) {
    return UserError(str(path.string(), ": ", why,
                         "; allowed: {\"vocab_size\": N, \"tokenizer\": \"NAME\"}, N ids from 0 on"));
  };
  if (!json.is_object()) throw refuse("is no JSON object");
  constexpr std::int64_t kMost = 65536;
  const Json size = json.value("vocab_size", Json()), name = json.value("tokenizer", Json(""));
  if (!size.is_number_integer() || size < 1 || size > kMost)
    throw refuse(str("\"vocab_size\" is ", size.dump(), ", not a whole number from 1 to ", kMost));
  if (!name.is_string()) throw refuse(str("\"tokenizer\" is ", name.dump(), ", not a name"));
  const auto merges = path.parent_path() / "vocab.bpe";
  std::error_code ignored;
  return {path.string(), size.get<std::int64_t>(), name.get<std::string>(),
          fs::exists(merges, ignored) ? merges.string() : ""};
}

bool validates(const fs::path& path) { return path.filename().string().find("val") != std::string::npos; }

}  // namespace

std::int64_t TokenFiles::total_bytes() const {
  std::int64_t total = 0;
  for (const auto* files : {&train, &validation})
    for (const auto& file : *files) total += std::ssize(file.file->bytes());
  return total;
}

TokenFiles open_token_files(const DataSource& source) {
  const auto paths = paths_of(source);
  TokenFiles files;
  for (const auto& path : paths)
    (validates(path) ? files.validation : files.train)
        .push_back(open_file(path, str(source.label, ": ", path.filename().string())));
  if (files.train.empty() || files.validation.empty())
    throw UserError(str(source.label, ": ", files.train.empty() ? "all" : "none", " of its ", paths.size(),
                        " files ", paths.size() == 1 ? "has" : "have",
                        " val in the name, which makes a file one of the validation split; both splits need "
                        "at least one file"));
  return files;
}

std::optional<TokenMeta> read_token_meta(const TokenFiles& files) {
  std::set<fs::path> folders;
  for (const auto* split : {&files.train, &files.validation})
    for (const auto& file : *split) folders.insert(file.path.parent_path());
  std::error_code ignored;
  const auto has_none = [&](const fs::path& folder) { return !fs::exists(folder / "meta.json", ignored); };
  if (std::all_of(folders.begin(), folders.end(), has_none)) return {};
  std::optional<TokenMeta> meta;
  for (const auto& folder : folders) {
    const auto path = folder / "meta.json";
    const TokenMeta found = read_meta(path);
    if (meta && (meta->vocabulary != found.vocabulary || meta->tokenizer != found.tokenizer))
      throw UserError(str(path.string(), ": is another vocabulary than ", meta->path,
                          "; the files of one DATA_PATH must have one. Leave out those of one folder"));
    if (!meta) meta = found;
  }
  return meta;
}

}  // namespace kablate
