// SIGINT, SIGTERM and SIGUSR1 ask a trial to save and stop. The handler only sets a flag.
#pragma once

namespace kablate {

// From here on the three signals set the flag instead of ending the process.
void catch_stop_signals();

bool stop_requested();
void throw_if_stop_requested();  // Interrupted

}  // namespace kablate
