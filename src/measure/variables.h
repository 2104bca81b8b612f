// The variables of the environment that the libraries under a model read. Some would change what is computed,
// or with how many threads: the program takes them out or sets them before anything reads them. The others
// are part of the arithmetic that a trial is recorded with (arithmetic.h), or change no number.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace kablate {

using Variables = std::map<std::string, std::string>;

// What the program does to an environment.
struct Settling {
  Variables set;                     // gets these values
  std::vector<std::string> removed;  // these go
  // Libraries read some when they are loaded, which is before main(): whether they read another value there,
  // and whether how threads wait was not there yet.
  bool misread = false, waits_otherwise = false;
};

// What `environment` lacks of the environment that a trial computes in. In it:
//   float32 is float32         ONEDNN_DEFAULT_FPMATH_MODE = STRICT; no NVIDIA_TF32_OVERRIDE, no
//                              TORCH_ALLOW_TF32_CUBLAS_OVERRIDE, no DNNL_DEFAULT_FPMATH_MODE
//   sums are made in one order CUBLAS_WORKSPACE_CONFIG = :4096:8
//   as many threads as told    no OMP_DYNAMIC, OMP_THREAD_LIMIT, OMP_NESTED, OMP_MAX_ACTIVE_LEVELS
//   threads wait briefly       GOMP_SPINCOUNT (kSpinCount in variables.cpp says why), unless it or
//                              OMP_WAIT_POLICY is there
Settling settling_of(const Variables& environment);

// Brings this process's environment there, with a line in the log for each variable that goes or is set
// otherwise; its children get it too. Then starts the program again in its place if libraries have read
// something else already; for how threads wait, only if it `computes`. Call first in main().
void settle_environment(char* const* arguments, bool computes);

// Of `environment`: what libraries read and may compute otherwise by. Variables of their families are held to
// be so unless they are known to change no number.
Variables variables_of_arithmetic(const Variables& environment);

// How OpenMP's threads wait: the variables that say so; and whether they say what the program sets, and no
// more.
Variables variables_of_waiting(const Variables& environment);
bool waits_as_settled(const Variables& environment);

Variables environment_variables();  // of this process

}  // namespace kablate
