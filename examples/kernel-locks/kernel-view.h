// SPDX-License-Identifier: MIT
// Who holds a lock and who waits for one by the kernel's own account, proc(5).
#pragma once
#include <stdbool.h>
#include <sys/types.h>

// Has this process a descriptor of this file through which something is locked? /proc/PID/fdinfo knows, for every kind of lock.
bool holds_lock(pid_t pid, ino_t inode);
// How many wait for a lock on this file.
int waiters(ino_t inode);
// The kind and the pid that /proc/locks shows for the lock on this file; false when there is none.
bool lock_line(ino_t inode, char kind[16], int *pid);
// Calls back for every process that holds_lock and that we may look into.
void each_holder(ino_t inode, void (*found)(pid_t pid));
