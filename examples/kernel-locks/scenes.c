// SPDX-License-Identifier: MIT
// The table of facts, and how one line of it is played. See scenes.h.
#include "scenes.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "kernel-view.h"
#include "steps.h"

#define BY_PROCESS(process, descriptor) {process, process, descriptor, descriptor}
#define ALL(same) {same, same, same, same}

const struct scene scenes[] = {
  {"A locks the file", {{A, take}}, ALL("granted: A")},
  {"B asks for it too", {{A, take}, {B, take}}, ALL("refused: A")},
  {"B writes to the file without asking", {{A, take}, {B, write_unasked}}, ALL("written: A")},

  {"# Another descriptor in the same process", {{0}}, {0}},
  {"A opens the file again and closes that", {{A, take}, {A, open_again}, {A, close_again}}, BY_PROCESS("nobody", "A")},
  {"A opens and closes another name (hard link) of the file", {{A, take}, {A, open_and_close_link}}, BY_PROCESS("nobody", "A")},
  {"A opens the file again and asks through that", {{A, take}, {A, open_again}, {A, take_again}}, BY_PROCESS("granted: A", "refused: A")},
  {"A opens the file again and unlocks through that", {{A, take}, {A, open_again}, {A, give_up_again}}, BY_PROCESS("nobody", "A")},
  {"A copies its descriptor (dup) and closes the copy", {{A, take}, {A, duplicate}, {A, close_again}}, BY_PROCESS("nobody", "A")},
  {"A copies its descriptor and closes the first", {{A, take}, {A, duplicate}, {A, close_first}}, BY_PROCESS("nobody", "A")},
  {"A copies its descriptor and asks through the copy", {{A, take}, {A, duplicate}, {A, take_again}}, ALL("granted: A")},
  {"A copies its descriptor and unlocks through the copy", {{A, take}, {A, duplicate}, {A, give_up_again}}, ALL("nobody")},

  {"# Threads", {{0}}, {0}},
  {"a thread of A opens the file and closes that", {{A, take}, {A, thread_opens_and_closes}}, BY_PROCESS("nobody", "A")},
  {"a thread of A opens the file and asks through that", {{A, take}, {A, thread_takes}}, BY_PROCESS("granted: A", "refused: A")},
  {"the thread that asked ends", {{A, take_in_thread}}, ALL("granted: A")},

  {"# fork", {{0}}, {0}},
  {"A forks; the child asks through its copy", {{A, take}, {A, fork_child}, {CHILD, turn_exclusive}},
    BY_PROCESS("refused: A", "granted: A, child")},
  {"A forks; the child closes its copy", {{A, take}, {A, fork_child}, {CHILD, close_first}}, ALL("A")},
  {"A forks; the child unlocks through its copy", {{A, take}, {A, fork_child}, {CHILD, give_up}}, BY_PROCESS("A", "nobody")},
  {"A forks and closes its own; the child lives on", {{A, take}, {A, fork_child}, {A, close_first}}, BY_PROCESS("nobody", "child")},
  {"A forks and unlocks; the child lives on", {{A, take}, {A, fork_child}, {A, give_up}}, ALL("nobody")},

  {"# exec", {{0}}, {0}},
  {"A becomes another program (exec)", {{A, take}, {A, exec_self}}, ALL("A")},
  {"A becomes another program, its descriptor is O_CLOEXEC", {{A, take_closing_on_exec}, {A, exec_self}}, ALL("nobody")},
  {"A starts a program (fork, exec) and closes its own",
    {{A, take}, {A, fork_child}, {CHILD, exec_self}, {A, close_first}}, BY_PROCESS("nobody", "child")},
  {"A starts a program and closes its own, which is O_CLOEXEC",
    {{A, take_closing_on_exec}, {A, fork_child}, {CHILD, exec_self}, {A, close_first}}, ALL("nobody")},

  {"# Death", {{0}}, {0}},
  {"A is stopped (SIGSTOP)", {{A, take}, {DIRECTOR, stop_a}}, ALL("A")},
  {"A is killed (SIGKILL)", {{A, take}, {DIRECTOR, kill_a}}, ALL("nobody")},
  {"B waits; A is killed", {{A, take}, {B, wait_exclusive}, {DIRECTOR, kill_a}, {DIRECTOR, hear_b}}, ALL("granted: B")},
  {"A forks and is killed; the child lives on", {{A, take}, {A, fork_child}, {DIRECTOR, kill_a}}, BY_PROCESS("nobody", "child")},
  {"A forks and is killed; the child is killed", {{A, take}, {A, fork_child}, {DIRECTOR, kill_a}, {DIRECTOR, end_child}}, ALL("nobody")},

  {"# Waiting", {{0}}, {0}},
  {"B waits; a signal reaches it", {{A, take}, {B, wait_exclusive}, {DIRECTOR, interrupt_b}, {DIRECTOR, hear_b}}, ALL("EINTR: A")},
  {"A and B have a file each and wait for the other's",
    {{A, take}, {B, take_second}, {A, wait_for_second}, {B, wait_exclusive}}, BY_PROCESS("EDEADLK: A", "waits: A")},
  {"A and B read, both wait to write",
    {{A, take_shared}, {B, take_shared}, {A, wait_to_turn_exclusive}, {B, wait_to_turn_exclusive}},
    {"EDEADLK: A, B", NULL, "waits: A, B", "granted: B"}},

  {"# Converting", {{0}}, {0}},
  {"A and B read, A asks to write", {{A, take_shared}, {B, take_shared}, {A, turn_exclusive}},
    {"refused: A, B", NULL, "refused: A, B", "refused: B"}},
  {"A writes and turns to reading, B waits to write", {{A, take}, {B, wait_exclusive}, {A, turn_shared}},
    {"granted: A", NULL, "granted: A", "granted: A"}},
  {"A writes and turns to reading, B waits to read", {{A, take}, {B, wait_shared}, {A, turn_shared}, {DIRECTOR, hear_b}},
    {"granted: A, B", NULL, "granted: A, B", "granted: A, B"}},

  {"# Parts of a file", {{0}}, {0}},
  {"A locks bytes 0 to 9, B byte 10", {{A, take_ten_bytes}, {B, take_byte_ten}},
    {"granted: A, B", "granted: A, B", "granted: A, B", "refused: A"}},
  {"A locks bytes 0 to 9 and unlocks 5, B locks 5", {{A, take_ten_bytes}, {A, give_up_byte_five}, {B, take_byte_five}},
    {"granted: A, B", "granted: A, B", "granted: A, B", NULL}},

  {"# Which file it is", {{0}}, {0}},
  {"A's file gets another name and a new one its old; B asks", {{A, take}, {DIRECTOR, replace_file}, {B, take}}, ALL("granted: A")},

  {"# One kind and another", {{0}}, {0}},
  {"A asks for F_OFD_SETLK through the same descriptor", {{A, take}, {A, take_ofd}},
    {"refused: A", "refused: A", "granted: A", "granted: A"}},
  {"B asks for F_SETLK", {{A, take}, {B, take_as_posix}}, {"refused: A", "refused: A", "refused: A", "granted: A, B"}},
  {"B asks for flock", {{A, take}, {B, take_as_flock}}, {"granted: A, B", "granted: A, B", "granted: A, B", "refused: A"}},

  {"# Who has it", {{0}}, {0}},
  {"B asks with F_GETLK: l_pid is", {{A, take}, {B, ask_who}}, {"A: A", "A: A", "-1: A", "no lock: A"}},
  {"/proc/locks shows", {{A, take}, {DIRECTOR, show_lock_line}}, {"POSIX A: A", "POSIX A: A", "OFDLCK -1: A", "FLOCK A: A"}},
  {"A forks and is killed; does /proc/locks name the child?",
    {{A, take}, {A, fork_child}, {DIRECTOR, kill_a}, {DIRECTOR, look_for_child}}, BY_PROCESS("no: nobody", "no: child")},

  {"# What may be asked", {{0}}, {0}},
  {"A asks with l_pid = its own", {{A, take_with_own_pid}}, {"granted: A", NULL, "EINVAL: nobody", NULL}},
  {"A asks to write through O_RDONLY", {{A, take_read_only}}, {"EBADF: nobody", "EBADF: nobody", "EBADF: nobody", "granted: A"}},
  {"A asks to read through O_WRONLY", {{A, take_shared_write_only}}, {"EBADF: nobody", NULL, "EBADF: nobody", "granted: A"}},
};

const int scene_count = sizeof scenes / sizeof *scenes;

static void list_holders(char *names, size_t size) {
  static const char *const name[ROLES] = {[A] = "A", [B] = "B", [CHILD] = "child"};
  names[0] = '\0';
  for (int role = 0; role < ROLES; role++) {
    if (stage.pid[role] == 0 || !holds_lock(stage.pid[role], stage.inode)) continue;
    if (names[0] != '\0') strncat(names, ", ", size - strlen(names) - 1);
    strncat(names, name[role], size - strlen(names) - 1);
  }
  if (names[0] == '\0') strncat(names, "nobody", size - 1);
}

// A process that has nothing to do with the scene, this one, asks too: that the kernel keeps others out counts, not what it says.
static bool is_free(int fd) {
  if (stage.kind->ask(fd, F_WRLCK, false, 0, 0) != 0) return false;
  stage.kind->ask(fd, F_UNLCK, false, 0, 0);
  return true;
}

void play_scene(const struct scene *scene, const struct kind *kind, char came[64]) {
  const char *word = NULL;
  char names[32];
  open_stage(kind);
  int fd = open(stage.path, O_RDWR | O_CLOEXEC);
  for (int each = 0; each < MOST_STEPS && scene->steps[each].does != NULL; each++) {
    word = tell(scene->steps[each].who, scene->steps[each].does);
  }
  list_holders(names, sizeof names);
  const char *doubt = (strcmp(names, "nobody") == 0) == is_free(fd) ? "" : is_free(fd) ? " (yet free)" : " (yet locked)";
  snprintf(came, 64, "%s%s%s%s", word ? word : "", word ? ": " : "", names, doubt);
  close(fd);
  close_stage();
}
