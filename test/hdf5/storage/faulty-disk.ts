// SPDX-License-Identifier: MIT
// node:fs for code under test, with somebody who is asked before each step on the disk, and who can end the process or cut the power. A test mocks
// node:fs with `faulty(original)`.
import type * as Fs from 'node:fs'

const STEPS = [
  'openSync',
  'closeSync',
  'readSync',
  'writeSync',
  'ftruncateSync',
  'fdatasyncSync',
  'fsyncSync',
  'fchmodSync',
  'fchownSync',
  'unlinkSync',
  'renameSync',
  'linkSync',
  'rmSync',
] as const
export type StepName = (typeof STEPS)[number]
/** Steps that change what is on the disk. */
export const CHANGES: readonly StepName[] = ['writeSync', 'ftruncateSync', 'unlinkSync', 'renameSync', 'linkSync', 'rmSync']

// biome-ignore lint/suspicious/noExplicitAny: arguments of any of the functions above
export type Watcher = (name: StepName, args: readonly any[], go: () => unknown) => unknown

let watcher: Watcher | null = null

export function faulty(original: typeof Fs): typeof Fs {
  const wrapped = STEPS.map((name) => {
    const step = original[name] as (...args: unknown[]) => unknown
    return [name, (...args: unknown[]) => (watcher === null ? step(...args) : watcher(name, args, () => step(...args)))]
  })
  return { ...original, ...Object.fromEntries(wrapped) }
}

/** Does some work while each of its steps is asked for. */
export function watched<Result>(by: Watcher, work: () => Result): Result {
  watcher = by
  try {
    return work()
  } finally {
    watcher = null
  }
}

/**
 * Does some work until it dies at its n-th step: nothing is done after that but what the kernel does, which closes descriptors. Answers whether it
 * came to that.
 *
 * @param atStep what the last step still does
 */
export function dieAt(
  n: number,
  work: () => void,
  by: Watcher = proceed,
  atStep: (name: StepName, args: Parameters<Watcher>[1]) => void = () => {},
): boolean {
  let step = 0
  let dead = false
  const death = new Error('killed')
  const watch: Watcher = (name, args, go) => {
    if (!dead && step++ < n) return by(name, args, go)
    if (name === 'closeSync') return go()
    if (!dead) atStep(name, args)
    dead = true
    throw death
  }
  try {
    watched(watch, work)
  } catch (error) {
    if (!dead) throw error
  }
  return dead
}

const proceed: Watcher = (_name, _args, go) => go()

/** A write that is interrupted: pages are written one after the other, few bytes at once. */
export function writePart(random: () => number): (name: StepName, args: Parameters<Watcher>[1]) => void {
  return (name, [fd, bytes, offset, length, position]) => {
    if (name !== 'writeSync' || length <= 16) return
    real.writeSync(fd, bytes, offset, Math.floor((length * (random() % 100)) / 100), position)
  }
}

const real: typeof Fs = process.getBuiltinModule('node:fs')
