// The part of the parameters that this rank keeps moments of and updates: all of them, or its own.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "distributed/communicator.h"

namespace kablate {

// Of several ranks each has about as many elements (ZeRO's stage 1: Rajbhandari et al. 2020, arXiv
// 1910.02054, section 5.1): a run of the parameters laid end to end, cut where something begins that the
// gradients' norm is made of: a piece of kNormPiece elements, or a tensor on devices. So the norm has the
// bits that one rank's would have (clip.h), and so has all made of it. Parameters are float32 and contiguous.
class Share {
 public:
  // `ranks` must outlive the object.
  Share(const std::vector<at::Tensor>& parameters, Communicator& ranks);
  Share(const std::vector<at::Tensor>& parameters, Communicator& ranks, bool whole_tensors);

  bool is_all() const { return ranks_.size() == 1; }

  // Which of the parameters have elements of this rank, in order; and these of tensors that are of the
  // parameters' shapes. Flat views, or the tensors themselves where the share is all.
  const std::vector<std::size_t>& members() const { return members_; }
  std::vector<at::Tensor> own(const std::vector<at::Tensor>& tensors) const;
  at::Tensor own(std::size_t member, const at::Tensor& tensor) const;  // of the parameter members()[member]

  // Collective, where the share is not all.
  double global_norm(const std::vector<at::Tensor>& own_gradients) const;
  std::int64_t sum(std::int64_t number) const;
  void spread(
      const std::vector<at::Tensor>& tensors) const;  // of the parameters' shapes: each rank's own to all

 private:
  // Elements [begin, end) of each parameter, by rank: [rank][parameter].
  struct Run {
    std::int64_t begin = 0, end = 0;
  };
  const Run& run(std::size_t parameter) const;

  Communicator& ranks_;
  bool whole_tensors_;
  std::vector<std::int64_t> elements_;  // of each parameter
  std::vector<std::vector<Run>> runs_;
  std::vector<std::size_t> members_;
  std::size_t pieces_ = 0, pieces_before_ = 0;  // of all ranks; of the ranks before this one
};

}  // namespace kablate
