// SPDX-License-Identifier: MIT
// What the kernel's locks do, shown in two terminals step by step, or with --auto in one go: exit code 0 if all is as docs/kernel-locks.md
// states.
#include <err.h>
#include <stdio.h>
#include <string.h>
#include "scenes.h"
#include "two-terminals.h"

static const char USAGE[] =
  "c-lock-test [posix|lockf|ofd|flock] [FILE]          in two terminals, step by step\n"
  "c-lock-test [posix|lockf|ofd|flock|all] --auto      in one go\n";

enum { DONE_WIDTH = 58, CAME_WIDTH = 18 };

static bool show_all(const struct kind *first, int count) {
  bool as_stated = true;
  printf("%-*s", DONE_WIDTH, "what is done, and who holds the lock then");
  for (int each = 0; each < count; each++) printf("%-*s", CAME_WIDTH, first[each].name);
  puts("as stated");
  for (const struct scene *scene = scenes; scene < scenes + scene_count; scene++) {
    if (scene->done[0] == '#') {
      printf("\n%s\n", scene->done + 2);
      continue;
    }
    const char *wrong = NULL;
    printf("%-*s", DONE_WIDTH, scene->done);
    for (int each = 0; each < count; each++) {
      char came[64] = "-";
      const char *stated = scene->stated[first + each - kinds];
      if (stated != NULL) play_scene(scene, first + each, came);
      if (stated != NULL && strcmp(came, stated) != 0) wrong = stated;
      printf("%-*s", CAME_WIDTH, came);
      fflush(stdout);
    }
    if (wrong == NULL) puts("yes");
    else printf("NO, stated: %s\n", wrong);
    as_stated = as_stated && wrong == NULL;
  }
  return as_stated;
}

int main(int count, char *arguments[]) {
  const struct kind *kind = &kinds[POSIX];
  const char *path = NULL;
  bool automatic = false, all = false;
  if (count == 4 && strcmp(arguments[1], "--after-exec") == 0) return after_exec(arguments + 2);
  for (int at = 1; at < count; at++) {
    const char *argument = arguments[at];
    bool known = true;
    if (strcmp(argument, "--auto") == 0) automatic = true;
    else if (strcmp(argument, "all") == 0) all = true;
    else known = false;
    for (int each = 0; each < KINDS; each++) {
      if (strcmp(argument, kinds[each].argument) == 0) kind = &kinds[each], known = true;
    }
    if (known) continue;
    if (argument[0] == '-' || path != NULL) errx(64, "usage:\n%s", USAGE);
    path = argument;
  }
  if (automatic ? path != NULL : all) errx(64, "usage:\n%s", USAGE);
  if (!automatic) return two_terminals(kind, path);
  return show_all(all ? kinds : kind, all ? KINDS : 1) ? 0 : 1;
}
