// SPDX-License-Identifier: MIT
// The four kinds of locks behind one face.
#pragma once
#include <fcntl.h>
#include <stdbool.h>
#include <sys/types.h>

struct kind {
  const char *argument; // on the command line
  const char *name;     // in tables
  // Asks for F_RDLCK, F_WRLCK or F_UNLCK on some bytes (0 of them: all from there). 0, or the number of the error.
  int (*ask)(int fd, short type, bool wait, off_t start, off_t bytes);
};

enum { POSIX, LOCKF, OFD, FLOCK, KINDS };
extern const struct kind kinds[KINDS];

// fcntl(2) with everything that a lock can say.
int ask_fcntl(int fd, int command, short type, off_t start, off_t bytes, pid_t pid);
// What tables call an error number: refused, EDEADLK ...
const char *outcome(int error);
