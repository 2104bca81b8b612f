// What a file that should hold bare 16-bit token ids holds instead.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kablate {

// A file that says what it is in its first bytes (llm.c's token files, NumPy's, archives, tables …), text,
// and numbers of another width: what it is and what to do, to stand behind "train.bin: ". Empty if nothing
// speaks against ids of 16 bits. Looks at the first MiB.
std::string foreign_token_format(std::string_view bytes);

// For ids that are too large: another reading of the same bytes under which all are below `vocabulary`, as a
// question. Empty if there is none.
std::string fitting_token_format(std::span<const std::uint16_t> tokens, std::int64_t vocabulary);

}  // namespace kablate
