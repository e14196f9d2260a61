// SPDX-License-Identifier: MIT
// Nothing here waits for ever: every answer has a time within which it is expected, and one that does not come says so.
import { setTimeout as pause } from 'node:timers/promises'

/** An answer did not come in time. */
export class Late extends Error {
  constructor(what: string, ms: number) {
    super(`${what} did not come to an end within ${ms < 1_000 ? `${Math.round(ms)} ms` : `${Number((ms / 1_000).toFixed(1))} s`}`)
    this.name = 'Late'
  }
}

/** The promise, or {@link Late}. What becomes of it then is of no interest. */
export async function within<Result>(ms: number, what: string, promise: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Late(what, ms)), ms)
  })
  promise.catch(() => {})
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
  }
}

/** Asks again until the answer is not null; null when the time is over. */
export async function soon<Answer>(ms: number, ask: () => Promise<Answer | null>): Promise<Answer | null> {
  const end = performance.now() + ms
  for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, 50)) {
    const answer = await ask()
    if (answer !== null || performance.now() >= end) return answer
    await pause(pauseMs)
  }
}

/** The value below which so many of a hundred lie. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN
}

/** `0.2 ms`, `35 ms`, `2.1 s`. */
export function spoken(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(ms >= 1 ? 1 : 2)} ms`
}
