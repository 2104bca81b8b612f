#include "base/safetensors_header.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace kablate {
namespace {

static_assert(std::endian::native == std::endian::little, "lengths and tensors are read as they lie");

constexpr std::uint64_t kLengthBytes = 8, kMostHeaderBytes = 100'000'000;
constexpr std::string_view kMetadata = "__metadata__";
constexpr int kMostDepth = 16;  // of brackets; an entry has three

struct DType {
  std::string_view name;
  std::uint64_t bits;
};
constexpr DType kDTypes[] = {{"BOOL", 8},    {"U8", 8},      {"I8", 8},   {"I16", 16},    {"U16", 16},
                             {"F16", 16},    {"BF16", 16},   {"I32", 32}, {"U32", 32},    {"F32", 32},
                             {"I64", 64},    {"U64", 64},    {"F64", 64}, {"C64", 64},    {"F8_E5M2", 8},
                             {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6}};

class HeaderReader {
 public:
  explicit HeaderReader(const InputFile& file) : file_(file) {}

  SafetensorsHeader read() {
    const Json json = parse(read_text());
    SafetensorsHeader header;
    for (const auto& [name, value] : json.items()) {
      if (name == kMetadata)
        read_metadata(value, header.metadata);
      else
        header.tensors[name] = read_entry(name, value);
    }
    check_coverage(header.tensors);
    return header;
  }

 private:
  UserError broken(const std::string& what) const {
    return UserError(
        str(file_.path().string(), ": not a whole safetensors file (", what,
            "); expected weights written by `kablate init`, a trial's checkpoint, or a state dict "
            "saved as safetensors"));
  }
  UserError broken_tensor(const std::string& name, const std::string& what) const {
    return broken(str("tensor ", name, " ", what));
  }

  // What torch.save writes, a zip archive or, before version 1.6, a bare pickle.
  void refuse_pickle() const {
    char start[4] = {};
    file_.read_at(0, start, std::min<std::uint64_t>(sizeof start, file_.size()));
    const std::string_view bytes(start, sizeof start);
    if (bytes != "PK\3\4" && bytes != "\x80\2\x8A\n" && !bytes.starts_with("\x80\4\x95")) return;
    throw UserError(str(
        file_.path().string(),
        ": is a PyTorch pickle, which can run programs and is not read; make safetensors of it once: python3 "
        "-c \"import sys,torch;from safetensors.torch import save_file;c=torch.load(sys.argv[1],'cpu');"
        "save_file({k:v.contiguous().clone() for k,v in c.get('model',c).items()},sys.argv[2],"
        "{k:str(v) for k,v in c.get('model_args',{}).items()})\" FILE OUT.safetensors"));
  }

  std::string read_text() {
    refuse_pickle();
    if (file_.size() < kLengthBytes) throw broken(str(file_.size(), " bytes are too few for a header"));
    std::uint64_t length = 0;
    file_.read_at(0, &length, kLengthBytes);
    if (length > file_.size() - kLengthBytes)
      throw broken(str("its header claims ", length, " bytes, the file has ", file_.size()));
    if (length > kMostHeaderBytes)
      throw broken(str("its header claims ", length, " bytes; allowed: at most ", kMostHeaderBytes));
    data_begin_ = kLengthBytes + length;
    std::string text(length, '\0');
    file_.read_at(kLengthBytes, text.data(), text.size());
    // The JSON reader would skip a byte-order mark before the text and take a NUL for its end.
    if (!text.starts_with('{') || text.find('\0') != std::string::npos)
      throw broken("its header is not JSON");
    return text;
  }

  Json parse(const std::string& text) const {
    std::vector<std::set<std::string>> names;  // of the objects that are open
    const auto see = [&](int depth, Json::parse_event_t event, Json& value) {
      if (depth > kMostDepth) throw broken("its header is nested too deeply");
      if (event == Json::parse_event_t::object_start) names.emplace_back();
      if (event == Json::parse_event_t::object_end) names.pop_back();
      if (event == Json::parse_event_t::key && !names.back().insert(value.get<std::string>()).second)
        throw broken(str("\"", value.get<std::string>(), "\" stands twice in its header"));
      return true;
    };
    Json json = Json::parse(text, see, /*allow_exceptions=*/false);
    if (!json.is_object()) throw broken("its header is not JSON");
    return json;
  }

  void read_metadata(const Json& json, std::map<std::string, std::string>& metadata) const {
    if (!json.is_object()) throw broken("its __metadata__ is no object");
    for (const auto& [name, value] : json.items()) {
      if (!value.is_string()) throw broken(str("its __metadata__ has \"", name, "\", which is no text"));
      metadata[name] = value.get<std::string>();
    }
  }

  TensorEntry read_entry(const std::string& name, const Json& json) const {
    if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") ||
        !json.contains("data_offsets"))
      throw broken_tensor(name, "has no entry with dtype, shape and data_offsets");
    TensorEntry entry;
    if (!json["dtype"].is_string()) throw broken_tensor(name, "has a dtype that is no text");
    entry.dtype = json["dtype"].get<std::string>();
    const auto numbers = [&](const char* key) {
      const auto is_number = [](const Json& value) { return value.is_number_unsigned(); };
      if (!json[key].is_array() || !std::all_of(json[key].begin(), json[key].end(), is_number))
        throw broken_tensor(name, str("has a ", key, " that is no list of whole numbers >= 0"));
      return json[key].get<std::vector<std::uint64_t>>();
    };
    const std::uint64_t bytes = bytes_needed(name, entry.dtype, numbers("shape"));
    for (const auto length : numbers("shape")) entry.shape.push_back(static_cast<std::int64_t>(length));
    const auto offsets = numbers("data_offsets");
    if (offsets.size() != 2) throw broken_tensor(name, str("has ", offsets.size(), " data_offsets, not two"));
    const std::uint64_t room = file_.size() - data_begin_;
    if (offsets[0] > offsets[1])
      throw broken_tensor(name, str("ends at ", offsets[1], ", before it begins at ", offsets[0]));
    if (offsets[1] > room)
      throw broken_tensor(name, str("ends at byte ", offsets[1], " of the data, which have ", room,
                                    "; is the file cut off?"));
    if (offsets[1] - offsets[0] != bytes)
      throw broken_tensor(name, str("has ", offsets[1] - offsets[0], " bytes; its shape and type ",
                                    entry.dtype, " need ", bytes));
    entry.begin = data_begin_ + offsets[0], entry.end = data_begin_ + offsets[1];
    return entry;
  }

  // A length of 0 counts as 1 towards the overflow, since strides are products too.
  std::uint64_t bytes_needed(const std::string& name, const std::string& dtype,
                             const std::vector<std::uint64_t>& shape) const {
    const auto* known = std::find_if(std::begin(kDTypes), std::end(kDTypes),
                                     [&](const DType& row) { return row.name == dtype; });
    if (known == std::end(kDTypes)) throw broken_tensor(name, str("has the unknown dtype \"", dtype, "\""));
    std::uint64_t bits = known->bits;
    for (const auto length : shape)
      if (__builtin_mul_overflow(bits, std::max<std::uint64_t>(length, 1), &bits))
        throw broken_tensor(name, "has an impossible shape: its size overflows 64 bits");
    if (std::find(shape.begin(), shape.end(), 0u) != shape.end()) return 0;
    if (bits % 8 != 0) throw broken_tensor(name, str("has a shape that fills no whole bytes as ", dtype));
    return bits / 8;
  }

  void check_coverage(const std::map<std::string, TensorEntry>& tensors) const {
    std::vector<std::pair<std::string, TensorEntry>> in_order(tensors.begin(), tensors.end());
    std::stable_sort(in_order.begin(), in_order.end(), [](const auto& a, const auto& b) {
      return std::pair(a.second.begin, a.second.end) < std::pair(b.second.begin, b.second.end);
    });
    std::uint64_t place = data_begin_;
    for (const auto& [name, entry] : in_order) {
      if (entry.begin != place)
        throw broken_tensor(
            name, str("begins at byte ", entry.begin - data_begin_, " of the data, the one before ends at ",
                      place - data_begin_, entry.begin < place ? ": they overlap" : ": a hole"));
      place = entry.end;
    }
    if (place != file_.size())
      throw broken(str("its tensors cover ", place - data_begin_, " of ", file_.size() - data_begin_,
                       " bytes of data"));
  }

  const InputFile& file_;
  std::uint64_t data_begin_ = 0;
};

}  // namespace

SafetensorsHeader read_safetensors_header(const InputFile& file) { return HeaderReader(file).read(); }

}  // namespace kablate
