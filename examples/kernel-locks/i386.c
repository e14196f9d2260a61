// SPDX-License-Identifier: MIT
// Never run: compiled with -m32, it fails to compile if i386.h is wrong. The kernel's headers call the second struct flock64.
#include <linux/fcntl.h>
#include <stddef.h>
#include "i386.h"

_Static_assert(sizeof(struct flock) == I386_SIZE, "size");
_Static_assert(offsetof(struct flock, l_type) == 0 && offsetof(struct flock, l_whence) == 2, "the 16-bit members");
_Static_assert(offsetof(struct flock, l_start) == I386_START, "l_start");
_Static_assert(offsetof(struct flock, l_len) == I386_LEN, "l_len");
_Static_assert(offsetof(struct flock, l_pid) == I386_PID, "l_pid");

_Static_assert(sizeof(struct flock64) == I386_SIZE_64, "size, 64-bit offsets");
_Static_assert(offsetof(struct flock64, l_type) == 0 && offsetof(struct flock64, l_whence) == 2, "the 16-bit members, 64-bit offsets");
_Static_assert(offsetof(struct flock64, l_start) == I386_START_64, "l_start, 64-bit offsets");
_Static_assert(offsetof(struct flock64, l_len) == I386_LEN_64, "l_len, 64-bit offsets");
_Static_assert(offsetof(struct flock64, l_pid) == I386_PID_64, "l_pid, 64-bit offsets");

_Static_assert(F_GETLK64 == I386_GETLK_64 && F_SETLK64 == I386_SETLK_64 && F_SETLKW64 == I386_SETLKW_64, "commands, 64-bit offsets");
