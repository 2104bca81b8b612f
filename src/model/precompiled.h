// What nearly every file on LibTorch includes, parsed once.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <string>
#include <vector>
