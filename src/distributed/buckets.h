// The sum of gradients over ranks, in large pieces that are summed while the backward pass still makes the
// others.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "distributed/communicator.h"

namespace kablate {

// Of float32 parameters on one device, in the reverse of their order, which is about the order in which a
// backward pass makes their gradients: each bucket is one flat tensor, and buckets are summed in this order
// on every rank, whatever is ready first. What sums they give doesn't depend on how parameters are put into
// buckets.
class GradientBuckets {
 public:
  // Of about `bytes` each. Communicator and parameters' gradients are used until the object goes.
  GradientBuckets(std::vector<at::Tensor> parameters, Communicator& ranks,
                  std::int64_t bytes = std::int64_t{4} << 20);
  ~GradientBuckets();
  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;

  // To be called before the backward pass that is the last of an update on this rank: its gradients are
  // complete then. Passes before it only add to them.
  void begin_last_pass();

  // After it: takes what no pass of this rank reached as 0, and waits. Each parameter's gradient is then the
  // sum over ranks.
  void finish();

 private:
  class Hook;
  struct Member {
    at::Tensor parameter, place;  // its part of the bucket, in its shape
    std::size_t bucket = 0;
    bool taken = false;
  };
  struct Bucket {
    at::Tensor flat;
    std::vector<std::size_t> members;
    std::size_t missing = 0;
    std::unique_ptr<Communicator::Sum> sum;
  };
  void make_bucket(std::vector<std::size_t> members);
  void take(std::size_t member);

  Communicator& ranks_;
  std::vector<Member> members_;
  std::vector<Bucket> buckets_;
  std::size_t next_ = 0;  // bucket to be summed
  bool last_pass_ = false;
};

}  // namespace kablate
