// SPDX-License-Identifier: MIT
// What a 32-bit program on x86 is told: struct flock as it is without, and with, -D_FILE_OFFSET_BITS=64. i386.c has the compiler check it.
enum {
  I386_SIZE = 16, I386_START = 4, I386_LEN = 8, I386_PID = 12,
  I386_SIZE_64 = 24, I386_START_64 = 4, I386_LEN_64 = 12, I386_PID_64 = 20,
  I386_GETLK_64 = 12, I386_SETLK_64 = 13, I386_SETLKW_64 = 14,
};
