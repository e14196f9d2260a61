// SPDX-License-Identifier: MIT
// An order is the address of a function: all of them are copies of one process, so it means the same to each. An answer is a word.
#include "actors.h"
#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kernel-view.h"

enum { WORD = 32, LIFE_SECONDS = 20, LOOK_MS = 10, PATIENCE_LOOKS = 500 };

struct stage stage;
static char folder[240];
static int orders[ROLES][2], answers[ROLES][2];
static int waiting; // how many have answered that they wait

static void answer(int fd, const char *word) {
  char text[WORD] = "";
  if (word != NULL) strncpy(text, word, WORD - 1);
  if (write(fd, text, WORD) != WORD) _exit(1);
}

static void on_signal(int number) { (void)number; }

// An actor ends when the director does, and does not live long in any case.
static void play(enum role role) {
  alarm(LIFE_SECONDS);
  sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL); // without SA_RESTART: it interrupts
  stage.pid[role] = getpid();
  for (step step; read(orders[role][0], &step, sizeof step) == sizeof step;) answer(answers[role][1], step());
  _exit(0);
}

static void start(enum role role) {
  pid_t pid = fork();
  if (pid < 0) err(1, "fork");
  if (pid > 0) {
    stage.pid[role] = pid;
    return;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int each = 0; each < ROLES; each++) close(orders[each][1]);
  play(role);
}

void start_child(void) {
  pid_t pid = fork();
  if (pid < 0) err(1, "fork");
  if (pid == 0) play(CHILD);
  stage.pid[CHILD] = pid;
}

void go_on_after_exec(void) {
  enum role role = getpid() == stage.pid[CHILD] ? CHILD : A;
  char in[12], out[12];
  snprintf(in, sizeof in, "%d", orders[role][0]);
  snprintf(out, sizeof out, "%d", answers[role][1]);
  execl("/proc/self/exe", "c-lock-test", "--after-exec", in, out, (char *)NULL);
  err(1, "exec");
}

int after_exec(char *orders_and_answers[2]) {
  step none;
  answer(atoi(orders_and_answers[1]), NULL);
  return read(atoi(orders_and_answers[0]), &none, sizeof none) == 0 ? 0 : 1;
}

static ino_t make_file(const char *path) {
  struct stat status;
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 || fstat(fd, &status) != 0) err(1, "%s", path);
  close(fd);
  return status.st_ino;
}

void open_stage(const struct kind *kind) {
  static pid_t *shared;
  if (shared == NULL) shared = mmap(NULL, ROLES * sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) err(1, "mmap");
  memset(shared, 0, ROLES * sizeof *shared);
  stage.kind = kind;
  stage.pid = shared;
  waiting = 0;
  prctl(PR_SET_CHILD_SUBREAPER, 1); // the child of a dead A becomes ours, so that we can wait for its end

  const char *place = getenv("TMPDIR");
  int length = snprintf(folder, sizeof folder, "%s/kernel-locks-XXXXXX", place ? place : "/tmp");
  if (length >= (int)sizeof folder) errx(1, "TMPDIR is too long");
  if (mkdtemp(folder) == NULL) err(1, "%s", folder);
  snprintf(stage.path, sizeof stage.path, "%s/file", folder);
  snprintf(stage.link, sizeof stage.link, "%s/link", folder);
  snprintf(stage.second, sizeof stage.second, "%s/second", folder);
  stage.inode = make_file(stage.path);
  stage.second_inode = make_file(stage.second);
  if (link(stage.path, stage.link) != 0) err(1, "%s", stage.link);

  for (int role = 0; role < ROLES; role++) {
    if (pipe(orders[role]) != 0 || pipe(answers[role]) != 0) err(1, "pipe");
  }
  start(A);
  start(B);
}

void close_stage(void) {
  for (int role = 0; role < ROLES; role++) {
    if (stage.pid[role] > 0) kill(stage.pid[role], SIGKILL);
    for (int end = 0; end < 2; end++) close(orders[role][end]), close(answers[role][end]);
  }
  while (wait(NULL) > 0) continue;
  unlink(stage.path), unlink(stage.link), unlink(stage.second), rmdir(folder);
}

static const char *heard(enum role role) {
  static char word[WORD];
  if (read(answers[role][0], word, WORD) != WORD) err(1, "answer");
  return word[0] == '\0' ? NULL : word;
}

// An answer comes at once, or the kernel knows of one waiter more. To look at that costs it some milliseconds, so it is asked second.
static const char *listen_to(enum role role) {
  struct pollfd answer = {.fd = answers[role][0], .events = POLLIN};
  for (int look = 0; look < PATIENCE_LOOKS; look++) {
    if (poll(&answer, 1, LOOK_MS) > 0) return heard(role);
    if (waiters(stage.inode) + waiters(stage.second_inode) > waiting) {
      waiting++;
      return "waits";
    }
  }
  return "no answer";
}

const char *tell(enum role role, step step) {
  if (role == DIRECTOR) return step();
  if (write(orders[role][1], &step, sizeof step) != sizeof step) err(1, "order");
  return listen_to(role);
}

const char *hear(enum role role) {
  const char *word = listen_to(role);
  waiting--;
  return word;
}
