#include "data/token_format.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <cstring>

#include "base/text.h"

namespace kablate {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kLooked = 1 << 20;  // bytes
constexpr std::size_t kFewest = 64;       // tokens, below which chance could make any pattern
constexpr std::string_view kWrite =
    "; DATASET = bin needs bare ids: array.astype('uint16').tofile(FILE) in NumPy";

struct Magic {
  std::string_view bytes;
  std::string_view what;
  std::size_t place = 0;
};
constexpr Magic kMagics[] = {
    {"\xA1\xD9\x34\x01"sv, "llm.c's token file of 32-bit ids, with 1024 bytes of header"},
    {"\x93NUMPY"sv, "an array with NumPy's header (.npy)"},
    {"PK\x03\x04"sv, "a zip archive (also .npz and torch.save's files)"},
    {"\x1F\x8B\x08"sv, "compressed by gzip; unpack it"},
    {"\x28\xB5\x2F\xFD"sv, "compressed by zstd; unpack it"},
    {"\xFD"
     "7zXZ\0"sv,
     "compressed by xz; unpack it"},
    {"1AY&SY"sv, "compressed by bzip2; unpack it", 4},
    {"7z\xBC\xAF\x27\x1C"sv, "a 7z archive; unpack it"},
    {"PAR1"sv, "a Parquet table"},
    {"ARROW1\0\0"sv, "an Arrow file"},
    {"\x89HDF\r\n\x1A\n"sv, "an HDF5 file"},
    {"MMIDIDX\0\0"sv, "the index of a Megatron data set (.idx); its ids lie in the .bin beside it"},
    {"ustar"sv, "a tar archive; unpack it", 257},
};

// pickle.dump: its version, then of versions 4 and 5 the size of what follows, of 2 and 3 an opcode that
// begins a value; a point ends it. The first two bytes alone may be an id.
bool is_pickle(std::string_view bytes) {
  if (bytes.size() < 12 || bytes[0] != '\x80' || bytes.back() != '.') return false;
  if (bytes[1] == 4 || bytes[1] == 5) return bytes[2] == '\x95' && bytes.substr(7, 4) == "\0\0\0\0"sv;
  return (bytes[1] == 2 || bytes[1] == 3) && "]}(cKMJX)"sv.find(bytes[2]) != std::string_view::npos;
}

// Castagnoli's, bit by bit: of eight bytes.
std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~std::uint32_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1) * 0x82F63B78u;
  }
  return ~crc;
}

// Each record begins with its length (64 bits) and that one's masked checksum.
bool is_tfrecord(std::string_view bytes) {
  std::uint32_t sum = 0;
  if (bytes.size() < sizeof(std::uint64_t) + sizeof sum) return false;
  std::memcpy(&sum, bytes.data() + sizeof(std::uint64_t), sizeof sum);
  const auto crc = crc32c(bytes.substr(0, sizeof(std::uint64_t)));
  return sum == (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

std::string known_format(std::string_view bytes) {
  for (const auto& magic : kMagics)
    if (bytes.substr(std::min(magic.place, bytes.size())).starts_with(magic.bytes))
      return std::string(magic.what);
  if (is_pickle(bytes)) return "written by Python's pickle";
  std::uint64_t length = 0;  // safetensors begin with that of their header
  if (bytes.size() <= sizeof length) return "";
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length < bytes.size() && bytes.substr(sizeof length).starts_with("{\"")) return "a safetensors file";
  return is_tfrecord(bytes) ? "a TFRecord file" : "";
}

// How often each byte value stands at even and at odd places,
// and what is known of the words at places 0 to 3 modulo 4.
struct Counts {
  std::array<std::array<double, 256>, 2> bytes{};
  std::array<std::uint16_t, 4> any_bits{}, most{};
  std::size_t words = 0, distinct_even = 0, distinct_odd = 0;

  explicit Counts(std::string_view text) {
    words = text.size() / 2;
    std::bitset<65536> even, odd;
    for (std::size_t i = 0; i < words; ++i) {
      std::uint16_t word = 0;
      std::memcpy(&word, text.data() + 2 * i, sizeof word);
      any_bits[i % 4] |= word;
      most[i % 4] = std::max(most[i % 4], word);
      (i % 2 == 0 ? even : odd).set(word);
      ++bytes[0][word & 255];
      ++bytes[1][word >> 8];
    }
    distinct_even = even.count(), distinct_odd = odd.count();
  }

  // Total variation between low and high bytes: near 0 if both are drawn alike, as in text or 8-bit ids.
  double difference_of_bytes() const {
    double sum = 0;
    for (std::size_t value = 0; value < 256; ++value) sum += std::abs(bytes[0][value] - bytes[1][value]);
    return sum / (2 * static_cast<double>(words));
  }
  std::size_t distinct_bytes() const {
    std::size_t count = 0;
    for (std::size_t value = 0; value < 256; ++value) count += bytes[0][value] + bytes[1][value] > 0;
    return count;
  }
  std::size_t largest_byte() const {
    std::size_t largest = 255;
    while (largest > 0 && bytes[0][largest] + bytes[1][largest] == 0) --largest;
    return largest;
  }
};

std::string other_width(const Counts& seen) {
  const auto& any = seen.any_bits;
  const std::string remedy(kWrite);
  constexpr std::size_t kVaried = 4;  // fewer different ones may well alternate with a 0
  const bool even_varied = seen.distinct_even >= kVaried, odd_varied = seen.distinct_odd >= kVaried;
  if (even_varied && any[1] == 0 && any[2] == 0 && any[3] == 0)
    return "holds 64-bit numbers: of every four 16-bit ones the last three are 0" + remedy;
  const char* otherwise = "; if they are 16-bit ids and every second one is 0, give that token another id";
  if (even_varied && any[1] == 0 && any[3] == 0)
    return "holds 32-bit numbers: every second 16-bit one is 0" + remedy + otherwise;
  if (odd_varied && any[0] == 0 && any[2] == 0)
    return "holds big-endian 32-bit numbers: every second 16-bit one is 0" + remedy + otherwise;
  constexpr std::uint16_t kMostHigh = 15;  // vocabularies of up to a million
  constexpr std::size_t kRich = 1000;      // different low halves, which a real alternation would hardly have
  if (std::max(seen.most[1], seen.most[3]) <= kMostHigh && seen.distinct_even > kRich)
    return "holds 32-bit numbers beyond 65535: every second 16-bit one is below 16; ids must fit 16 "
           "bits, which a vocabulary of at most 65536 does";
  return "";
}

}  // namespace

std::string foreign_token_format(std::string_view bytes) {
  if (const auto format = known_format(bytes); !format.empty()) return str("is ", format, kWrite);
  const Counts seen(bytes.substr(0, kLooked));
  if (seen.words < kFewest) return "";
  const auto width = bytes.size() % 4 == 0 ? other_width(seen) : "";
  if (!width.empty()) return width;
  // Ids of 16 bits have other low bytes than high ones: those
  // go up to 255, these to the vocabulary's 256th part.
  constexpr double kAlike = 0.1;
  if (seen.distinct_bytes() > 8 && seen.largest_byte() < 128 && seen.words > 4 * kFewest &&
      seen.difference_of_bytes() < kAlike) {
    const auto printable = [](char byte) {
      return (byte >= ' ' && byte <= '~') || (byte >= '\t' && byte <= '\r');
    };
    const auto looked = bytes.substr(0, kLooked);
    if (std::all_of(looked.begin(), looked.end(), printable))
      return str("is text; for its characters as tokens set DATASET = text", kWrite);
    return str("holds 8-bit numbers: all bytes are below 128 and low ones are drawn like high ones", kWrite);
  }
  return "";
}

std::string fitting_token_format(std::span<const std::uint16_t> tokens, std::int64_t vocabulary) {
  const auto all = [&](auto&& fits) { return std::all_of(tokens.begin(), tokens.end(), fits); };
  if (vocabulary < 256 &&
      all([&](std::uint16_t id) { return (id & 255) < vocabulary && (id >> 8) < vocabulary; }))
    return "every byte by itself is below it: are they 8-bit ids?";
  if (all([&](std::uint16_t id) { return ((id & 255) << 8 | id >> 8) < vocabulary; }))
    return "with the bytes of each swapped all are below it: are they big-endian?";
  return "";
}

}  // namespace kablate
