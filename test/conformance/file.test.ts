// SPDX-License-Identifier: MIT
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Preference, Supports } from 'holdfast'
import { type Arena, conformance, localClients, processClients, threadClients } from 'holdfast/conformance'
import { fileBackend } from 'holdfast/file'
import { describe, test } from 'vitest'
import { patience, scale } from '../support/scale.ts'

/** What the documentation of kernel files promises. */
const supports: Supports = {
  scope: 'machine',
  immediate: true,
  order: 'approximate',
  exactTry: false,
  deadHolder: 'at-once',
  loss: true,
  durableTokens: true,
}

const program = new URL('../../build/test/programs/conformance-file.js', import.meta.url)

interface Place {
  readonly directory: string
  readonly prefer: Preference
  remove(): Promise<void>
}

/** Runs the suite on clients that share a folder of their own. */
function onFiles(name: string, clients: 'tasks' | 'threads' | 'processes', arena: (place: Place) => Arena): void {
  conformance({
    name,
    test: (title, body) => test(title, body, patience(30_000)),
    supports,
    clients,
    async open({ prefer }) {
      const directory = await mkdtemp(join(tmpdir(), 'holdfast-conformance-'))
      return arena({ directory, prefer, remove: () => rm(directory, { recursive: true, force: true }) })
    },
    scale,
    patience: patience(10_000),
  })
}

describe.skipIf(process.platform !== 'linux')('kernel files', () => {
  onFiles('files, in one process', 'tasks', ({ directory, prefer, remove }) =>
    localClients(() => fileBackend({ directory, prefer }), remove),
  )
  onFiles('files, in worker threads', 'threads', ({ directory, prefer, remove }) => threadClients(program, { directory, prefer }, remove))
  onFiles('files, across processes', 'processes', ({ directory, prefer, remove }) => processClients(program, { directory, prefer }, remove))
})
