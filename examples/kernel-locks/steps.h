// SPDX-License-Identifier: MIT
// What actors and the director can do. Each is a step: no arguments, a word as answer, or NULL.
#pragma once

// Through the first descriptor. take: to write, without waiting; wait_...: with waiting.
const char *take(void), *take_shared(void), *wait_exclusive(void), *wait_shared(void), *wait_for_second(void), *take_second(void);
const char *turn_exclusive(void), *wait_to_turn_exclusive(void), *turn_shared(void), *give_up(void), *close_first(void);
const char *take_ten_bytes(void), *take_byte_ten(void), *give_up_byte_five(void), *take_byte_five(void);
const char *take_read_only(void), *take_shared_write_only(void), *take_with_own_pid(void), *take_closing_on_exec(void);
const char *take_ofd(void), *take_as_posix(void), *take_as_flock(void), *ask_who(void), *write_unasked(void);
// Through another one.
const char *open_again(void), *take_again(void), *give_up_again(void), *close_again(void), *open_and_close_link(void);
const char *duplicate(void);
// In a thread of the process.
const char *thread_opens_and_closes(void), *thread_takes(void), *take_in_thread(void);
// Processes.
const char *fork_child(void), *exec_self(void);
// For the director.
const char *kill_a(void), *stop_a(void), *end_child(void), *hear_b(void), *interrupt_b(void), *replace_file(void), *show_lock_line(void),
  *look_for_child(void);
