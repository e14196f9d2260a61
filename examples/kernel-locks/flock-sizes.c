// SPDX-License-Identifier: MIT
// struct flock and the numbers that go with it, as a program in C is told them. Exit code 0 if they are as docs/kernel-locks.md states.
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>
#include "i386.h"

// Where the page's second and third column come from: see i386.c.
#ifdef I386_IS_CHECKED
static const bool i386_is_checked = true;
#else
static const bool i386_is_checked = false;
#endif

static bool as_stated = true;

static const char *verdict(bool is) {
  as_stated = as_stated && is;
  return is ? "yes" : "NO";
}

static void show_size(const char *what, size_t is, size_t stated, int i386, int i386_64) {
  printf("%-26s%-15zu%-15d%-27d%s\n", what, is, i386, i386_64, verdict(is == stated));
}

static void show_number(const char *name, int is, int stated) {
  printf("%-26s%-15d%s\n", name, is, verdict(is == stated));
}

int main(void) {
  printf("%-26s%-15s%-15s%-27s%s\n", "struct flock, bytes", "this program", "32-bit x86", "with _FILE_OFFSET_BITS=64", "as stated");
  show_size("size", sizeof(struct flock), 32, I386_SIZE, I386_SIZE_64);
  show_size("l_type (16 bits) at", offsetof(struct flock, l_type), 0, 0, 0);
  show_size("l_whence (16 bits) at", offsetof(struct flock, l_whence), 2, 2, 2);
  show_size("l_start (off_t) at", offsetof(struct flock, l_start), 8, I386_START, I386_START_64);
  show_size("l_len (off_t) at", offsetof(struct flock, l_len), 16, I386_LEN, I386_LEN_64);
  show_size("l_pid (32 bits) at", offsetof(struct flock, l_pid), 24, I386_PID, I386_PID_64);
  show_size("sizeof(off_t)", sizeof(off_t), 8, 4, 8);
  show_size("sizeof(pid_t)", sizeof(pid_t), 4, 4, 4);
  show_size("F_GETLK", F_GETLK, 5, 5, I386_GETLK_64);
  show_size("F_SETLK", F_SETLK, 6, 6, I386_SETLK_64);
  show_size("F_SETLKW", F_SETLKW, 7, 7, I386_SETLKW_64);
  puts(i386_is_checked ? "The 32-bit columns were checked by the compiler." : "The 32-bit columns were not checked: this compiler is not for x86.");

  printf("\n%-26s%-15s%s\n", "numbers", "this program", "as stated");
  show_number("F_OFD_GETLK", F_OFD_GETLK, 36);
  show_number("F_OFD_SETLK", F_OFD_SETLK, 37);
  show_number("F_OFD_SETLKW", F_OFD_SETLKW, 38);
  show_number("F_RDLCK", F_RDLCK, 0);
  show_number("F_WRLCK", F_WRLCK, 1);
  show_number("F_UNLCK", F_UNLCK, 2);
  show_number("F_ULOCK (lockf)", F_ULOCK, 0);
  show_number("F_LOCK", F_LOCK, 1);
  show_number("F_TLOCK", F_TLOCK, 2);
  show_number("F_TEST", F_TEST, 3);
  show_number("LOCK_SH (flock)", LOCK_SH, 1);
  show_number("LOCK_EX", LOCK_EX, 2);
  show_number("LOCK_NB", LOCK_NB, 4);
  show_number("LOCK_UN", LOCK_UN, 8);
  return as_stated ? 0 : 1;
}
