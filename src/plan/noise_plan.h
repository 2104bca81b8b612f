// The plan's baseline once more under fresh seeds: what `kablate noise` trains.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "plan/plan.h"

namespace kablate {

constexpr std::int64_t kFirstFreshSeed = 1001;

// The first `count` whole numbers from kFirstFreshSeed on that are not in `planned`.
std::vector<std::int64_t> fresh_seeds(const std::vector<std::int64_t>& planned, std::int64_t count);

// Of the plan that `base` asks for, the baseline alone (selected or not) under `seeds`: trials with the keys
// that they would have if they were planned. Then the same with its attention off (GPT2_ATTENTION = n) under
// `harmed`: a harm that any test must find. Throws UserError as make_plan does, and where such a baseline
// can't be without attention.
Plan noise_plan(const Settings& base, const std::filesystem::path& plans_folder,
                const std::vector<std::int64_t>& seeds, const std::vector<std::int64_t>& harmed,
                const Settle& settle = {});

}  // namespace kablate
