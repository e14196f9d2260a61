// SPDX-License-Identifier: MIT
// The calls themselves. See kinds.h.
#include "kinds.h"
#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int ask_fcntl(int fd, int command, short type, off_t start, off_t bytes, pid_t pid) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = bytes, .l_pid = pid};
  return fcntl(fd, command, &lock) == 0 ? 0 : errno;
}

static int ask_posix(int fd, short type, bool wait, off_t start, off_t bytes) {
  return ask_fcntl(fd, wait ? F_SETLKW : F_SETLK, type, start, bytes, 0);
}

static int ask_ofd(int fd, short type, bool wait, off_t start, off_t bytes) {
  return ask_fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, type, start, bytes, 0);
}

// lockf(3) knows exclusive locks only, and counts from where the descriptor stands.
static int ask_lockf(int fd, short type, bool wait, off_t start, off_t bytes) {
  if (type == F_RDLCK) return ENOTSUP;
  if (lseek(fd, start, SEEK_SET) < 0) return errno;
  return lockf(fd, type == F_UNLCK ? F_ULOCK : wait ? F_LOCK : F_TLOCK, bytes) == 0 ? 0 : errno;
}

// flock(2) knows whole files only.
static int ask_flock(int fd, short type, bool wait, off_t start, off_t bytes) {
  (void)start, (void)bytes;
  int operation = type == F_UNLCK ? LOCK_UN : type == F_RDLCK ? LOCK_SH : LOCK_EX;
  return flock(fd, operation | (wait ? 0 : LOCK_NB)) == 0 ? 0 : errno;
}

const struct kind kinds[KINDS] = {
  [POSIX] = {"posix", "F_SETLK", ask_posix},
  [LOCKF] = {"lockf", "lockf", ask_lockf},
  [OFD] = {"ofd", "F_OFD_SETLK", ask_ofd},
  [FLOCK] = {"flock", "flock", ask_flock},
};

const char *outcome(int error) {
  switch (error) {
  case 0: return "granted";
  case EAGAIN:
  case EACCES: return "refused";
  case EBADF: return "EBADF";
  case EDEADLK: return "EDEADLK";
  case EINTR: return "EINTR";
  case EINVAL: return "EINVAL";
  default: return strerror(error);
  }
}
