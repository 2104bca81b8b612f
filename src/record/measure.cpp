#include "record/measure.h"

namespace kablate {

const Measures& measures() {
  static const Measures table{
      {"val_loss", "val loss", "nats a token", Better::kLess, /*compared=*/true, &TrialSummary::val_loss},
      {"train_loss", "train loss", "nats a token", Better::kLess, /*compared=*/false,
       &TrialSummary::train_loss},
      {"val_accuracy", "accuracy", "", Better::kMore, /*compared=*/true, &TrialSummary::val_accuracy},
      {"val_macro_accuracy", "macro accuracy", "", Better::kMore, /*compared=*/true,
       &TrialSummary::val_macro_accuracy},
      {"train_accuracy", "train accuracy", "", Better::kMore, /*compared=*/false,
       &TrialSummary::train_accuracy}};
  return table;
}

}  // namespace kablate
