// SPDX-License-Identifier: MIT
// The processes of a scene, A, B and a child of A, which do what the director tells them, one step at a time.
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include "kinds.h"

enum role { A, B, CHILD, ROLES, DIRECTOR = ROLES };
// What a step came to, in a word, or NULL where nothing was asked.
typedef const char *(*step)(void);

// What all of them know. Made anew for each scene.
struct stage {
  const struct kind *kind;
  char path[256], link[256], second[256]; // a file, another name of it, and another file
  ino_t inode, second_inode;
  pid_t *pid; // of each role, in memory that all share; 0 while it does not live
};
extern struct stage stage;

void open_stage(const struct kind *kind);
void close_stage(void);

// Has a role do a step. Its answer, or "waits" when the kernel says that it has to wait for a lock.
const char *tell(enum role role, step step);
// The answer of one that had to wait.
const char *hear(enum role role);
// For A: starts its child, which will hear the director.
void start_child(void);
// For an actor: where it goes on after exec: in the same program, told this.
void go_on_after_exec(void);
int after_exec(char *orders_and_answers[2]);
