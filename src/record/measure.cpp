#include "record/measure.h"

namespace kablate {

const Measures& measures() {
  static const Measures table{
      {"val_loss", "val loss", "nats a token", Better::kLess, /*compared=*/true, &TrialSummary::val_loss},
      {"train_loss", "train loss", "nats a token", Better::kLess, /*compared=*/false,
       &TrialSummary::train_loss}};
  return table;
}

}  // namespace kablate
