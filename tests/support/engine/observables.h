// What a configuration does, as text to compare: each of these is a function of the settings alone. For the
// test that every symbol of the menu acts.
#pragma once

#include <cstdint>
#include <string>

#include "support/configure.h"

namespace kablate {

// A model and a data set so small that an iteration takes a millisecond, all mechanisms off; then the deltas.
// DATA_PATH is one.txt or two.txt, ABLATION_PLAN is ladder or reversed.
Settings observed_settings(const Deltas& deltas);

namespace observe {

std::string logits(const Settings& settings);    // with random weights
std::string training(const Settings& settings);  // the weights after 16 updates
std::string weights_after(const Settings& settings, std::int64_t iterations);
std::string rates(const Settings& settings);       // learning rates of 40 iterations
std::string plan(const Settings& settings);        // the trials
std::string start(const Settings& settings);       // of which weights training starts, or why of none
std::string order(const Settings& settings);       // where the first training samples start
std::string evaluation(const Settings& settings);  // both losses
std::string data(const Settings& settings);        // the data's hash, or why there is none
std::string device(const Settings& settings);      // the device, or why there is none
std::string kernels(const Settings& settings);     // what computes, or why it can't
std::string batch(const Settings& settings);       // what sbatch is given
std::string at_once(const Settings& settings);     // trials that run beside each other on two cores
std::string folder(const Settings& settings);      // of the experiment
std::string blocked(const Settings& settings);     // why the arm is not trained, if so
std::string log(const Settings& settings);         // what a whole trial writes to metrics.jsonl, and when

}  // namespace observe
}  // namespace kablate
