// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { Lifetime } from '../../../src/backends/zookeeper/wire/lifetime.ts'
import { freshSeed, generator } from '../../support/random.ts'
import { scaled } from '../../support/scale.ts'

const NANOSECONDS = 1_000_000

/**
 * A leader, a server that reports to it every half tick, and a client that asks that server something now and then. Times are milliseconds. The
 * leader reckons a session's end from the last report with which it heard of it. At the end the server dies, or is cut off from the leader.
 */
function play(seed: number): { readonly deadline: number; readonly end: number } {
  const random = generator(seed)
  const upTo = (most: number): number => (random() / 2 ** 32) * most
  const tick = 10 + upTo(2_000)
  const timeout = Math.ceil(tick * (2 + upTo(20)))
  const lifetime = new Lifetime()
  const nano = (ms: number): bigint => BigInt(Math.round(ms * NANOSECONDS))
  const over = upTo(timeout * 5)
  const cutOffOnly = random() % 2 === 0
  let end = upTo(timeout / 10) + timeout
  lifetime.welcomed(0n, nano(upTo(2)), timeout)
  let reported = upTo(tick / 2)
  let touchedAt: number | null = null
  const reportUntil = (time: number): void => {
    for (; reported <= time && reported < over; reported += tick / 2) {
      if (touchedAt !== null) end = reported + timeout
      touchedAt = null
    }
  }
  let freeAt = 0
  for (let sentAt = upTo(timeout / 8); sentAt < end; sentAt += random() % 4 === 0 ? upTo(timeout) : upTo(timeout / 5)) {
    // Requests arrive in their order, however they are held up, and so do answers.
    const arrivesAt = Math.max(freeAt, sentAt + (random() % 5 === 0 ? upTo(timeout / 2) : upTo(2)))
    freeAt = arrivesAt
    reportUntil(arrivesAt)
    if (arrivesAt >= end || (arrivesAt >= over && !cutOffOnly)) break
    touchedAt ??= arrivesAt
    // One that the leader has nothing to do with is answered by a server that is cut off from it, and proves nothing.
    if (random() % 3 === 0 || arrivesAt >= over) continue
    lifetime.proved(nano(sentAt), nano(arrivesAt + upTo(2)))
  }
  reportUntil(over)
  return { deadline: Number(lifetime.deadline) / NANOSECONDS, end }
}

describe('The deadline of a session', () => {
  test('comes before the leader ends it, whatever the server between them has reported', () => {
    const first = freshSeed()
    for (let round = 0; round < scaled(5_000); round++) {
      const { deadline, end } = play(first + round)
      expect(deadline, `seed ${first + round}`).toBeLessThan(end)
    }
  })

  const MS = 1_000_000n
  const welcomed = (): Lifetime => {
    const lifetime = new Lifetime()
    lifetime.welcomed(0n, 5n * MS, 1_000)
    return lifetime
  }

  test('is counted from the welcome, before there is anything else', () => {
    const lifetime = welcomed()
    expect(lifetime.deadline).toBe(670n * MS)
    lifetime.proved(100n * MS, 101n * MS)
    expect(lifetime.deadline).toBe(670n * MS)
  })

  test('is counted from the last request that was answered half a tick before another one of the leader was sent', () => {
    const lifetime = welcomed()
    for (const at of [100n, 200n]) expect(lifetime.proved(at * MS, (at + 1n) * MS)).toBe(false)
    expect(lifetime.proved(300n * MS, 301n * MS)).toBe(true)
    expect(lifetime.deadline).toBe(920n * MS)
    expect(lifetime.proved(400n * MS, 401n * MS)).toBe(true)
    expect(lifetime.deadline).toBe(1_020n * MS)
    // This program was busy: that the leader was there before is all that this proves.
    expect(lifetime.proved(900n * MS, 901n * MS)).toBe(true)
    expect(lifetime.deadline).toBe(1_320n * MS)
  })

  test('stays more than half of the time-out ahead while there is a heartbeat every tenth of it, and a third at the beginning', () => {
    const lifetime = welcomed()
    for (let at = 100n; at < 10_000n; at += 100n) {
      expect(lifetime.deadline).toBeGreaterThanOrEqual((at + (at < 400n ? 370n : 500n)) * MS)
      lifetime.proved(at * MS, (at + 5n) * MS)
    }
  })

  test('comes nearer when another server gives less time', () => {
    const lifetime = welcomed()
    lifetime.welcomed(10n * MS, 15n * MS, 500)
    expect(lifetime.deadline).toBe(345n * MS)
  })

  test('costs no memory for each answer', () => {
    const lifetime = welcomed()
    for (let at = 0n; at < 100_000n; at++) lifetime.proved(at * (MS / 100n), at * (MS / 100n) + MS)
    expect((lifetime as unknown as { readonly proofs: readonly unknown[] }).proofs.length).toBeLessThan(40)
  })
})
