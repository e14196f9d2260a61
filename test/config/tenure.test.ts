// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { Tenure } from '../../src/config/tenure.ts'

describe('A place among the users of an engine', () => {
  test('may be given up at once by one who has had no lease', () => {
    expect(new Tenure(500, 1_000).leftMs(0, 1_000)).toBe(0)
  })

  test('is kept as long as there is a lease, or a request under way', () => {
    const tenure = new Tenure(500, 0)
    expect(tenure.leftMs(1, 10)).toBe(Number.POSITIVE_INFINITY)
    tenure.asks = 1
    expect(tenure.leftMs(0, 20_000)).toBe(Number.POSITIVE_INFINITY)
  })

  test('is kept after the last lease for as long as the engine may still keep that', () => {
    const tenure = new Tenure(500, 0)
    tenure.leftMs(1, 1_000)
    expect([tenure.leftMs(0, 1_000), tenure.leftMs(0, 1_300), tenure.leftMs(0, 1_500)]).toEqual([500, 200, 0])
  })

  test('counts a lease that came and went between two looks as one that lasted to the second', () => {
    const tenure = new Tenure(500, 0)
    tenure.note()
    expect([tenure.leftMs(0, 1_000), tenure.leftMs(0, 1_400), tenure.leftMs(0, 1_500)]).toEqual([500, 100, 0])
  })

  test('counts a lease that was there at the last look as one that lasted to the second after it', () => {
    const tenure = new Tenure(500, 0)
    expect([tenure.leftMs(1, 1_000), tenure.leftMs(0, 1_900)]).toEqual([Number.POSITIVE_INFINITY, 500])
    expect([tenure.leftMs(0, 2_300), tenure.leftMs(0, 2_400)]).toEqual([100, 0])
  })

  test('is kept as long as a child may be there that was started under a lease, lost or not', () => {
    const tenure = new Tenure(500, 0)
    tenure.lent = 1
    expect(tenure.leftMs(0, 20_000)).toBe(Number.POSITIVE_INFINITY)
    tenure.lent = 0
    expect(tenure.leftMs(0, 20_001)).toBe(0)
  })
})
