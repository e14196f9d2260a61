// SPDX-License-Identifier: MIT
// What actors do, each with descriptors of its own, which a child has copies of. See steps.h.
#include "steps.h"
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "actors.h"
#include "kernel-view.h"

static int fd, again, second; // the descriptors of this process

static int open_file(const char *path, int flags) {
  int opened = open(path, flags, 0600);
  if (opened < 0) err(1, "%s", path);
  return opened;
}

static const char *ask(int through, short type, bool wait, off_t start, off_t bytes) {
  return outcome(stage.kind->ask(through, type, wait, start, bytes));
}

static const char *open_first(void) {
  fd = open_file(stage.path, O_RDWR);
  return NULL;
}

static const char *open_and_ask(int flags, short type, bool wait, off_t start, off_t bytes) {
  fd = open_file(stage.path, flags);
  return ask(fd, type, wait, start, bytes);
}

const char *take(void) { return open_and_ask(O_RDWR, F_WRLCK, false, 0, 0); }
const char *take_shared(void) { return open_and_ask(O_RDWR, F_RDLCK, false, 0, 0); }
const char *wait_exclusive(void) { return open_and_ask(O_RDWR, F_WRLCK, true, 0, 0); }
const char *wait_shared(void) { return open_and_ask(O_RDWR, F_RDLCK, true, 0, 0); }
const char *take_read_only(void) { return open_and_ask(O_RDONLY, F_WRLCK, false, 0, 0); }
const char *take_shared_write_only(void) { return open_and_ask(O_WRONLY, F_RDLCK, false, 0, 0); }
const char *take_closing_on_exec(void) { return open_and_ask(O_RDWR | O_CLOEXEC, F_WRLCK, false, 0, 0); }
const char *take_ten_bytes(void) { return open_and_ask(O_RDWR, F_WRLCK, false, 0, 10); }
const char *take_byte_ten(void) { return open_and_ask(O_RDWR, F_WRLCK, false, 10, 1); }
const char *take_byte_five(void) { return open_and_ask(O_RDWR, F_WRLCK, false, 5, 1); }
const char *give_up_byte_five(void) { return ask(fd, F_UNLCK, false, 5, 1); }
const char *turn_exclusive(void) { return ask(fd, F_WRLCK, false, 0, 0); }
const char *turn_shared(void) { return ask(fd, F_RDLCK, false, 0, 0); }

const char *give_up(void) {
  ask(fd, F_UNLCK, false, 0, 0);
  return NULL;
}

const char *close_first(void) {
  close(fd);
  return NULL;
}

const char *take_second(void) {
  second = open_file(stage.second, O_RDWR);
  return ask(second, F_WRLCK, false, 0, 0);
}

const char *wait_for_second(void) {
  second = open_file(stage.second, O_RDWR);
  return ask(second, F_WRLCK, true, 0, 0);
}

const char *wait_to_turn_exclusive(void) { return ask(fd, F_WRLCK, true, 0, 0); }

const char *take_with_own_pid(void) {
  fd = open_file(stage.path, O_RDWR);
  return outcome(ask_fcntl(fd, stage.kind == &kinds[OFD] ? F_OFD_SETLK : F_SETLK, F_WRLCK, 0, 0, getpid()));
}

static const char *ask_as(int kind) {
  return outcome(kinds[kind].ask(fd, F_WRLCK, false, 0, 0));
}

const char *take_ofd(void) { return ask_as(OFD); }
const char *take_as_posix(void) { return open_first(), ask_as(POSIX); }
const char *take_as_flock(void) { return open_first(), ask_as(FLOCK); }

static const char *name_of(pid_t pid) {
  static char number[16];
  if (pid == stage.pid[A]) return "A";
  snprintf(number, sizeof number, "%d", (int)pid);
  return number;
}

const char *ask_who(void) {
  open_first();
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  if (fcntl(fd, F_GETLK, &lock) != 0) err(1, "F_GETLK");
  return lock.l_type == F_UNLCK ? "no lock" : name_of(lock.l_pid);
}

const char *write_unasked(void) {
  open_first();
  return write(fd, "x", 1) == 1 ? "written" : "refused";
}

const char *open_again(void) {
  again = open_file(stage.path, O_RDWR);
  return NULL;
}

const char *duplicate(void) {
  again = dup(fd);
  return NULL;
}

const char *take_again(void) { return ask(again, F_WRLCK, false, 0, 0); }

const char *give_up_again(void) {
  ask(again, F_UNLCK, false, 0, 0);
  return NULL;
}

const char *close_again(void) {
  close(again);
  return NULL;
}

const char *open_and_close_link(void) {
  close(open_file(stage.link, O_RDONLY));
  return NULL;
}

static void *opens_and_closes(void *none) {
  close(open_file(stage.path, O_RDONLY));
  return none;
}

static void *takes_again(void *none) {
  (void)none;
  open_again();
  return (void *)take_again();
}

static void *takes(void *none) {
  (void)none;
  return (void *)take();
}

static const char *in_thread(void *(*what)(void *)) {
  pthread_t thread;
  void *word = NULL;
  if (pthread_create(&thread, NULL, what, NULL) != 0 || pthread_join(thread, &word) != 0) errx(1, "thread");
  return word;
}

const char *thread_opens_and_closes(void) { return in_thread(opens_and_closes); }
const char *thread_takes(void) { return in_thread(takes_again); }
const char *take_in_thread(void) { return in_thread(takes); }

const char *fork_child(void) {
  start_child();
  return NULL;
}

const char *exec_self(void) {
  go_on_after_exec();
  return NULL;
}

static void end(enum role role) {
  kill(stage.pid[role], SIGKILL);
  waitpid(stage.pid[role], NULL, 0);
  stage.pid[role] = 0;
}

const char *kill_a(void) { return end(A), NULL; }
const char *end_child(void) { return end(CHILD), NULL; }

const char *stop_a(void) {
  kill(stage.pid[A], SIGSTOP);
  waitpid(stage.pid[A], NULL, WUNTRACED);
  return NULL;
}

const char *hear_b(void) { return hear(B); }

const char *interrupt_b(void) {
  kill(stage.pid[B], SIGUSR1);
  return NULL;
}

const char *replace_file(void) {
  if (rename(stage.path, stage.second) != 0) err(1, "rename");
  close(open_file(stage.path, O_RDWR | O_CREAT | O_EXCL));
  return NULL;
}

const char *show_lock_line(void) {
  static char text[32];
  char kind[16];
  int pid;
  if (!lock_line(stage.inode, kind, &pid)) return "no line";
  snprintf(text, sizeof text, "%s %.8s", kind, name_of(pid));
  return text;
}

// The number of whoever took it, which is dead, or in a pid namespace no line at all; and of an OFD lock never a number.
const char *look_for_child(void) {
  char kind[16];
  int pid;
  return lock_line(stage.inode, kind, &pid) && pid == stage.pid[CHILD] ? "yes" : "no";
}
