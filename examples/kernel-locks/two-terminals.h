// SPDX-License-Identifier: MIT
// The program as it is started in two terminals at once.
#pragma once
#include "kinds.h"

// Steps through what a lock can meet, on a file that both name, or on one of this user's in the temporary folder. Answers the exit code.
int two_terminals(const struct kind *kind, const char *path);
