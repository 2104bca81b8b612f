#include "optim/share.h"

#include <algorithm>

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include "optim/clip.h"

namespace kablate {

Share::Share(const std::vector<at::Tensor>& parameters, Communicator& ranks)
    : Share(parameters, ranks, !parameters.empty() && !parameters.front().is_cpu()) {}

Share::Share(const std::vector<at::Tensor>& parameters, Communicator& ranks, bool whole_tensors)
    : ranks_(ranks), whole_tensors_(whole_tensors) {
  std::int64_t total = 0, before = 0;
  for (const auto& parameter : parameters) {
    elements_.push_back(parameter.numel());
    total += parameter.numel();
  }
  runs_.assign(static_cast<std::size_t>(ranks.size()), std::vector<Run>(parameters.size()));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto piece = whole_tensors_ ? elements_[i] : kNormPiece;
    for (std::int64_t begin = 0; begin < elements_[i]; begin += piece) {
      const auto size = std::min(piece, elements_[i] - begin);
      const auto owner = (before + size / 2) * ranks.size() / total;  // of what its middle lies in
      before += size;
      auto& run = runs_[static_cast<std::size_t>(owner)][i];
      if (run.end == 0) run.begin = begin;
      run.end = begin + size;
      ++pieces_;
      pieces_before_ += owner < ranks.rank();
    }
  }
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (run(i).end > 0 || is_all()) members_.push_back(i);
}

const Share::Run& Share::run(std::size_t parameter) const {
  return runs_[static_cast<std::size_t>(ranks_.rank())][parameter];
}

at::Tensor Share::own(std::size_t member, const at::Tensor& tensor) const {
  if (is_all()) return tensor;
  const auto& [begin, end] = run(members_[member]);
  return tensor.detach().view({-1}).narrow(0, begin, end - begin);
}

std::vector<at::Tensor> Share::own(const std::vector<at::Tensor>& tensors) const {
  std::vector<at::Tensor> list;
  for (std::size_t i = 0; i < members_.size(); ++i) list.push_back(own(i, tensors[members_[i]]));
  return list;
}

double Share::global_norm(const std::vector<at::Tensor>& own_gradients) const {
  if (is_all()) return kablate::global_norm(own_gradients);
  const auto own = whole_tensors_ ? tensor_norms(own_gradients) : piece_squares(own_gradients);
  const at::Tensor all = at::zeros({static_cast<std::int64_t>(pieces_)}, at::kDouble);
  auto* first = all.mutable_data_ptr<double>();
  std::copy(own.begin(), own.end(), first + pieces_before_);
  ranks_.all_reduce_sum({all});  // of one number and zeros: exact
  return whole_tensors_ ? norm_of_norms({first, first + pieces_})
                        : norm_of_squares({first, first + pieces_}, elements_);
}

std::int64_t Share::sum(std::int64_t number) const {
  if (is_all()) return number;
  const at::Tensor total = at::full({1}, number, at::kLong);
  ranks_.all_reduce_sum({total});
  return total.item<std::int64_t>();
}

void Share::spread(const std::vector<at::Tensor>& tensors) const {
  if (is_all()) return;
  std::vector<Communicator::Part> parts;
  for (std::size_t rank = 0; rank < runs_.size(); ++rank)
    for (std::size_t i = 0; i < tensors.size(); ++i)
      if (const auto& [begin, end] = runs_[rank][i]; end > 0)
        parts.push_back(
            {tensors[i].detach().view({-1}).narrow(0, begin, end - begin), static_cast<std::int64_t>(rank)});
  ranks_.spread(parts);
}

}  // namespace kablate
