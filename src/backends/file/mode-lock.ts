// SPDX-License-Identifier: MIT
// What this process holds of one five-mode lock (layout.ts) in the kernel: the join of what its requests hold. Requests of one process that
// want a mode that is held already share it, without a call.
import { compatible, MODES, type Mode } from '../../core/mode.ts'
import { blockerOf, EXCLUSIVE, lockRange, SHARED, unlockRange } from '../../native/ofd-locks.ts'
import { drawSlot, MODE_RANGES, SLOTS } from './layout.ts'

/** Draws of a slot before IX counts as refused: the chance that all meet other writers is nil, a reader of the whole row is sure. */
const DRAWS = 20

/** Whose descriptor the locks belong to. */
export interface Descriptor {
  /** Open for reading and writing; opened on first use. */
  readonly fd: number
}

export class ModeLock {
  private readonly file: Descriptor
  private readonly start: number
  /** How many requests of this process hold it, by mode. */
  private readonly held: Record<Mode, number> = { IS: 0, IX: 0, S: 0, SIX: 0, X: 0 }
  private holders = 0
  private slot = 0

  constructor(file: Descriptor, start: number) {
    this.file = file
    this.start = start
  }

  /** Nobody in this process holds it. */
  get idle(): boolean {
    return this.holders === 0
  }

  /** Takes a mode if no other process, and nobody here, is in the way. */
  take(mode: Mode): boolean {
    const { held } = this
    if (held[mode] === 0 || mode === 'X' || mode === 'SIX') {
      // The kernel lets one descriptor's locks replace each other, so our own are compared here.
      if (!this.idle && !MODES.every((other) => held[other] === 0 || compatible(mode, other))) return false
      if (!this.ask(mode)) return false
    }
    held[mode]++
    this.holders++
    return true
  }

  /** Gives back a mode that was taken. */
  give(mode: Mode): void {
    const { held, start } = this
    this.holders--
    if (--held[mode] > 0) return
    const { fd } = this.file
    if (mode === 'IX') unlockRange(fd, start + this.slot, 1)
    else unlockRange(fd, start + MODE_RANGES[mode].from, MODE_RANGES[mode].length)
  }

  /** Goes from a writing mode to the reading part of it, without a moment in which another process could take what is kept. */
  weaken(from: Mode, to: Mode): void {
    const { held, start } = this
    const { fd } = this.file
    if (from === to) return
    if (to === 'S') {
      lockRange(fd, SHARED, start + 1, SLOTS)
      if (from === 'X') unlockRange(fd, start, 1)
      held[from]--
      held.S++
      return
    }
    if (held[to]++ === 0) lockRange(fd, SHARED, start, 1)
    this.holders++
    this.give(from)
  }

  /** True when no other process holds a mode that excludes this one. Takes nothing. */
  clearFor(mode: Mode): boolean {
    const { fd } = this.file
    if (mode !== 'IX') {
      const { type, from, length } = MODE_RANGES[mode]
      return blockerOf(fd, type, this.start + from, length) === null
    }
    for (let draw = 0; draw < DRAWS; draw++) {
      const blocker = blockerOf(fd, EXCLUSIVE, this.start + drawSlot(), 1)
      if (blocker === null) return true
      if (blocker.length !== 1) return false
    }
    return false
  }

  private ask(mode: Mode): boolean {
    const { start } = this
    const { fd } = this.file
    if (mode !== 'IX') {
      const { type, from, length } = MODE_RANGES[mode]
      return lockRange(fd, type, start + from, length)
    }
    for (let draw = 0; draw < DRAWS; draw++) {
      const slot = drawSlot()
      if (lockRange(fd, EXCLUSIVE, start + slot, 1)) {
        this.slot = slot
        return true
      }
      // Another writer on the same slot is no conflict: draw again. A lock on the whole row is one.
      const blocker = blockerOf(fd, EXCLUSIVE, start + slot, 1)
      if (blocker !== null && blocker.length !== 1) return false
    }
    return false
  }
}
