#include "distributed/communicator.h"

#include <ATen/ops/full.h>

namespace kablate {
namespace {

struct DoneAlready final : Communicator::Sum {
  void wait() override {}
};

}  // namespace

std::unique_ptr<Communicator::Sum> Communicator::start_all_reduce_sum(const at::Tensor& tensor) {
  all_reduce_sum({tensor});
  return std::make_unique<DoneAlready>();
}

bool Communicator::any(bool here) {
  if (size() == 1) return here;
  const at::Tensor count = at::full({1}, here ? 1 : 0, at::kLong);
  all_reduce_sum({count});
  return *count.const_data_ptr<std::int64_t>() > 0;
}

std::vector<std::string> Communicator::texts_of_all(const std::string& mine) {
  std::vector<std::string> texts;
  for (std::int64_t from = 0; from < size(); ++from) texts.push_back(text_of(from, mine));
  return texts;
}

}  // namespace kablate
