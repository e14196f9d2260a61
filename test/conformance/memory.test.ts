// SPDX-License-Identifier: MIT
import { memoryBackend } from 'holdfast'
import { conformance, localClients } from 'holdfast/conformance'
import { test } from 'vitest'
import { patience, scale } from '../support/scale.ts'

conformance({
  name: 'memory',
  test: (title, body) => test(title, body, patience(30_000)),
  supports: memoryBackend().supports,
  open: ({ prefer }) => localClients(() => memoryBackend({ prefer })),
  scale: 10 * scale,
  patience: patience(10_000),
})
