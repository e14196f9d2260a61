// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { DEFECTS, SMALL } from '../models/cases.ts'
import { check } from '../models/check.ts'
import { scale } from './support/scale.ts'

const TIMEOUT_MS = 120_000

describe.skipIf(process.platform !== 'linux')('in every state of the models', () => {
  for (const one of SMALL) {
    it(
      one.says,
      async () => {
        const { violation, complete } = await check(one)
        expect(violation).toBeNull()
        expect(complete).toBe(true)
      },
      TIMEOUT_MS,
    )
  }
})

describe.skipIf(process.platform !== 'linux')('spin notices when', () => {
  for (const one of DEFECTS.filter(({ seldom }) => !seldom || scale > 1)) {
    it(
      one.says,
      async () => {
        const { violation } = await check(one)
        expect(violation).toMatch(one.finds)
      },
      TIMEOUT_MS,
    )
  }
})
