// The signals that ask a trial to save and stop: what a terminal, a scheduler or a machine that goes down
// sends and what would end the process by default. The handler only sets a flag.
#pragma once

#include <csignal>

namespace kablate {

// SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGPWR.
sigset_t stop_signals();
bool is_stop_signal(int number);

// From here on they set the flag instead of ending the process; those that waited until now do at once. A
// SIGHUP that the process was started to ignore (nohup) stays ignored.
void catch_stop_signals();

bool stop_requested();
int first_stop_signal();         // which; 0: none came
void throw_if_stop_requested();  // Interrupted

// Waits for so long, or until a stop is requested: then it is false.
bool sleep_unless_stopped(double seconds);

}  // namespace kablate
