// SPDX-License-Identifier: MIT
// A rank whose program has ended still serves the others until they have ended, too. What it held then, nobody is left to give back: so it is given back here.

/** Who has something to do at the end of the program. */
export interface Ending {
  programEnds(): void
}

const endings = new Set<Ending>()

/** `programEnds` will be called when the event loop has nothing left to do, or at `process.exit`. */
export function atEndOfProgram(ending: Ending): void {
  if (endings.size === 0) process.on('beforeExit', end).on('exit', end)
  endings.add(ending)
}

export function notAtEndOfProgram(ending: Ending): void {
  if (endings.delete(ending) && endings.size === 0) process.off('beforeExit', end).off('exit', end)
}

function end(): void {
  for (const ending of endings) ending.programEnds()
}
