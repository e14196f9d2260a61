// SPDX-License-Identifier: MIT
// Step by step, at the Enter of whoever tries it. See two-terminals.h.
#include "two-terminals.h"
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kernel-view.h"

static ino_t inode;
static pid_t child;

static void name_holder(pid_t pid) {
  printf(" %d%s", (int)pid, pid == getpid() ? " (this process)" : pid == child ? " (its child)" : "");
}

static void show(const char *done) {
  printf("  %s\n  Locks on the file are held by:", done);
  each_holder(inode, name_holder);
  puts("");
}

static void next(const char *what) {
  printf("\nPress Enter: %s ", what);
  fflush(stdout);
  int got;
  while ((got = getchar()) != '\n') {
    if (got == EOF) exit(0);
  }
}

static void take(const struct kind *kind, int fd) {
  int error = kind->ask(fd, F_WRLCK, false, 0, 0);
  show(outcome(error));
  if (error == 0) return;
  next("wait for it");
  show(outcome(kind->ask(fd, F_WRLCK, true, 0, 0)));
}

static int open_file(const char *path) {
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) err(1, "%s", path);
  return fd;
}

int two_terminals(const struct kind *kind, const char *path) {
  char usual[256];
  const char *folder = getenv("TMPDIR");
  snprintf(usual, sizeof usual, "%s/kernel-locks-%d", folder ? folder : "/tmp", (int)getuid());
  if (path == NULL) path = usual;

  int fd = open_file(path);
  struct stat status;
  if (fstat(fd, &status) != 0) err(1, "%s", path);
  inode = status.st_ino;
  printf("Process %d, %s on %s. Start the same in a second terminal.\n", (int)getpid(), kind->name, path);

  next("ask for the lock");
  take(kind, fd);
  next("open the file again, and close that");
  close(open_file(path));
  show("Closed. Can the other process lock it now?");
  next("ask for the lock again");
  take(kind, fd);
  next("fork a child, and close the descriptor here");
  child = fork();
  if (child < 0) err(1, "fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pause();
    _exit(0);
  }
  close(fd);
  show("Closed. The child has a copy.");
  next("kill the child");
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  show("It is dead.");
  return 0;
}
