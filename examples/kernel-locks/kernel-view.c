// SPDX-License-Identifier: MIT
// Reads /proc. See kernel-view.h.
#include "kernel-view.h"
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The lines look like this, in /proc/locks without the word lock: and with an arrow before the kind for those that wait:
//   lock:  1: FLOCK  ADVISORY  WRITE 27104 fe:00:2155031 0 EOF
static bool is_about(const char *line, ino_t inode) {
  char place[32];
  snprintf(place, sizeof place, ":%llu ", (unsigned long long)inode);
  return strstr(line, place) != NULL;
}

bool holds_lock(pid_t pid, ino_t inode) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/fdinfo", (int)pid);
  DIR *folder = opendir(path);
  if (folder == NULL) return false;
  bool found = false;
  for (struct dirent *entry; !found && (entry = readdir(folder)) != NULL;) {
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%.20s", (int)pid, entry->d_name);
    FILE *file = isdigit((unsigned char)entry->d_name[0]) ? fopen(path, "re") : NULL;
    if (file == NULL) continue;
    while (!found && fgets(line, sizeof line, file) != NULL) found = strncmp(line, "lock:", 5) == 0 && is_about(line, inode);
    fclose(file);
  }
  closedir(folder);
  return found;
}

int waiters(ino_t inode) {
  char line[256];
  int count = 0;
  FILE *file = fopen("/proc/locks", "re");
  if (file == NULL) return 0;
  while (fgets(line, sizeof line, file) != NULL) count += strstr(line, "-> ") != NULL && is_about(line, inode);
  fclose(file);
  return count;
}

bool lock_line(ino_t inode, char kind[16], int *pid) {
  char line[256];
  bool found = false;
  FILE *file = fopen("/proc/locks", "re");
  if (file == NULL) return false;
  while (!found && fgets(line, sizeof line, file) != NULL) {
    found = is_about(line, inode) && sscanf(line, "%*d: %15s %*s %*s %d", kind, pid) == 2;
  }
  fclose(file);
  return found;
}

void each_holder(ino_t inode, void (*found)(pid_t pid)) {
  DIR *folder = opendir("/proc");
  if (folder == NULL) return;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    pid_t pid = atoi(entry->d_name);
    if (pid > 0 && holds_lock(pid, inode)) found(pid);
  }
  closedir(folder);
}
