// Sums and copies over ranks whose tensors lie on devices. A sum is r0 + r1 + … in this order for every
// element, as collective.h's are, whatever the ranks are joined by: NCCL's own sums choose an order by the
// number of nodes, of links, and by measurement.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "distributed/communicator.h"
#include "distributed/device_messages.h"

namespace kablate {

class DeviceCollectives {
 public:
  explicit DeviceCollectives(DeviceMessages& messages) : messages_(messages) {}  // outlives the object

  // All of it is put into the current stream. Tensors are contiguous.
  void sum(const at::Tensor& tensor) const;
  void spread(const std::vector<Communicator::Part>& parts) const;

 private:
  DeviceMessages& messages_;
};

}  // namespace kablate
