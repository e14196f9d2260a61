// SPDX-License-Identifier: MIT
// The kinds of faults, by the names under which they are asked for.

export const FAULTS = ['kill', 'pause', 'cut', 'restart', 'freeze'] as const
/** Kill, pause: a worker. Cut: its connections. Restart, freeze: the server. */
export type FaultKind = (typeof FAULTS)[number]
