#include "model/decode_cache.h"

#include <ATen/ATen.h>

namespace kablate {
namespace {

double bytes_a_sequence(const Tensor& kept) {
  if (!kept.defined() || kept.size(0) == 0) return 0;
  return static_cast<double>(kept.numel() * kept.element_size()) / static_cast<double>(kept.size(0));
}

}  // namespace

Tensor History::append(const Tensor& rows) {
  const auto added = rows.size(1);
  while (length_ + added > capacity_) capacity_ *= 2;
  if (!rows_.defined() || rows_.size(1) < capacity_) {
    auto sizes = rows.sizes().vec();
    sizes[1] = capacity_;
    // Of rows by head each head's lie together: products of one query read them as they are.
    const bool by_head = rows.dim() == 4;
    if (by_head) std::swap(sizes[1], sizes[2]);
    const Tensor memory = at::empty(sizes, rows.options());
    const Tensor larger = by_head ? memory.transpose(1, 2) : memory;
    if (length_ > 0) larger.narrow(1, 0, length_).copy_(rows_.narrow(1, 0, length_));
    rows_ = larger;
  }
  rows_.narrow(1, length_, added).copy_(rows);
  length_ += added;
  return rows_.narrow(1, 0, length_);
}

double History::bytes_per_token() const { return bytes_a_sequence(rows_) / static_cast<double>(capacity_); }

double DecodeCache::bytes_per_token() const {
  double bytes = 0;
  for (const auto& block : blocks)
    bytes += block.attention.keys.bytes_per_token() + block.attention.values.bytes_per_token() +
             block.attention.rotary.bytes_per_token() + block.cross.bytes_per_token();
  return bytes;
}

double DecodeCache::bytes_fixed() const {
  double bytes = 0;
  for (const auto& block : blocks)
    bytes += bytes_a_sequence(block.attention.queries) + bytes_a_sequence(block.gate_sum_BG);
  return bytes;
}

}  // namespace kablate
