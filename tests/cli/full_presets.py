"""`make check-presets`: every defconfig at its full size, three iterations of one sequence each.

Not among the tests of `make check`: those of GPT-2's size take some minutes and about 6 GiB.
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import support  # noqa: E402
import test_presets  # noqa: E402

support.PATIENCE = 3600
test_presets.SHRUNK = {
    "GPT2_BATCH_SIZE": 1, "GPT2_GRADIENT_ACCUMULATION": 1, "GPT2_WARMUP_STEPS": 1, "GPT2_MAX_ITERS": 3,
    "GPT2_EVAL_INTERVAL": 3, "GPT2_EVAL_SAMPLES": 1, "GPT2_LOG_INTERVAL": 1, "SEEDS": '"1"',
    "DATASET_TEXT": "y", "DEVICE_CPU": "y", "THREADS": len(os.sched_getaffinity(0)), "PARALLEL_TRIALS": 1,
}


class FullSize(test_presets.TrainsAndGenerates):
    words = 4000


if __name__ == "__main__":
    unittest.main(verbosity=2)
