// SPDX-License-Identifier: MIT
// Clocks, timers and chance as the code under test sees them: those of the simulated process whose turn it is. Everything that a turn sets off runs
// to its end before another process gets one, so whoever asks is always the process whose turn it is.
import { setImmediate } from 'node:timers'

/** What a simulated process gives to the code that runs in it. */
export interface Platform {
  /** CLOCK_BOOTTIME, in nanoseconds. */
  bootNow(): bigint
  /** Of `performance.now()`: stands still in suspend. */
  monotonicMs(): number
  wallMs(): number
  /** In [0, 1). */
  random(): number
  startTimer(ring: () => void, ms: number, again: boolean): VirtualTimer
}

/** As `setTimeout` answers it. */
export class VirtualTimer {
  readonly ring: () => void
  /** For an interval, its length in ms. */
  readonly everyMs: number | null
  /** µs of the world. */
  due = 0
  /** How often its moment was set. */
  plans = 0
  over = false

  constructor(ring: () => void, everyMs: number | null) {
    this.ring = ring
    this.everyMs = everyMs
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }
}

let here: Platform | null = null

/** For src/native/clock.ts, which tests put this in the place of. */
export function bootNow(): bigint {
  return here === null ? process.hrtime.bigint() : here.bootNow()
}

export function wallNow(): bigint {
  return BigInt(Math.round((here === null ? Date.now() : here.wallMs()) * 1_000)) * 1_000n
}

/** For `randomBytes` of node:crypto. */
export function randomBytes(count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, () => Math.floor(Math.random() * 256)))
}

/** Runs `task` in a process, and everything that it sets off but timers and messages. */
export async function turnOf(platform: Platform, task: () => void): Promise<void> {
  here = platform
  try {
    task()
    await new Promise<void>((resolve) => setImmediate(resolve))
  } finally {
    here = null
  }
}

/** Puts these clocks and timers in the place of the platform's own. Answers how to undo that. */
export function takePlatform(): () => void {
  const own = { setTimeout, setInterval, clearTimeout, clearInterval }
  const [now, performanceNow, random, emitWarning] = [Date.now, performance.now, Math.random, process.emitWarning]
  const start =
    (real: (ring: () => void, ms?: number, ...rest: never[]) => unknown, again: boolean) =>
    (ring: (...given: unknown[]) => void, ms = 0, ...rest: unknown[]): unknown =>
      here === null ? real(ring, ms, ...(rest as never[])) : here.startTimer(() => ring(...rest), ms, again)
  const clear =
    (real: (timer: never) => void) =>
    (timer: unknown): void => {
      if (timer instanceof VirtualTimer) timer.over = true
      else real(timer as never)
    }
  Object.assign(globalThis, {
    setTimeout: start(own.setTimeout, false),
    setInterval: start(own.setInterval, true),
    clearTimeout: clear(own.clearTimeout),
    clearInterval: clear(own.clearInterval),
  })
  Date.now = () => here?.wallMs() ?? now()
  performance.now = () => here?.monotonicMs() ?? performanceNow.call(performance)
  Math.random = () => here?.random() ?? random()
  // A request that waits long is warned of, and virtual waits are long.
  process.emitWarning = ((...given: Parameters<typeof emitWarning>) => {
    if (here === null) emitWarning.apply(process, given)
  }) as typeof emitWarning
  return () => {
    Object.assign(globalThis, own)
    Date.now = now
    performance.now = performanceNow
    Math.random = random
    process.emitWarning = emitWarning
  }
}
