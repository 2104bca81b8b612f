#include "train/answers.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/text.h"
#include "train/labelled.h"
#include "train/objective.h"

namespace kablate {

std::string answers_of(const Gpt& model, const Dataset& data, c10::Device device) {
  const at::NoGradGuard no_grad;
  const std::int64_t first = 0;
  const Batch batch = data.windows(Split::kValidation, {&first, 1}, model.spec().T),
              here = on_device(batch, device);
  const Labelled labelled(model.head(here.inputs), here);
  const Tensor said_M = labelled.said_M().cpu(), places_M = labelled.places_M.cpu();
  const auto* ids = batch.inputs.const_data_ptr<std::int64_t>();
  std::string text = data.tokenizer().decode({ids, ids + batch.inputs.numel()});
  for (std::int64_t i = 0; i < said_M.numel(); ++i) {
    const auto place = places_M[i].item<std::int64_t>();
    text += str("\nat ", place, " the label is ", batch.targets[0][place].item<std::int64_t>(),
                ", the model says ", said_M[i].item<std::int64_t>());
  }
  return text;
}

}  // namespace kablate
