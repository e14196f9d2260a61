// SPDX-License-Identifier: MIT
// The facts, as data: what is done, and what comes of it with each kind of lock.
#pragma once
#include "actors.h"

enum { MOST_STEPS = 7 };

struct scene {
  const char *done; // what happens once A has the lock
  struct { enum role who; step does; } steps[MOST_STEPS];
  const char *stated[KINDS]; // the last answer if there is one, and who holds a lock on the file then; NULL: cannot be asked
};

extern const struct scene scenes[];
extern const int scene_count;

// Plays a scene with a kind of lock and writes down what came of it.
void play_scene(const struct scene *scene, const struct kind *kind, char came[64]);
