// SPDX-License-Identifier: MIT
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PostedReply, postedRequest, replyOf } from '../../../src/hdf5/engine/posted.ts'
import type { Answers, Operation, Reply, Request } from '../../../src/hdf5/engine/protocol.ts'
import type { NdArray } from '../../../src/hdf5/values/nd-array.ts'
import { temporaryFolder } from '../../support/file-folders.ts'
import { freshSeed, generator } from '../../support/random.ts'
import { patience, scaled } from '../../support/scale.ts'

const EXAMPLES = new URL('../../../examples/data/', import.meta.url).pathname
const PROGRAM = new URL('../../../dist/hdf5/engine/worker.js', import.meta.url)
/** The HDF5 library itself loops for ever over some damage, as `h5dump` does: then only an end of the thread helps. */
const LONGEST_MS = 5000

class Thread {
  private worker = Thread.start()
  private numbers = 0

  /** Null when there was no answer in time; then the thread is a new one. */
  ask(file: string, ...operations: Operation[]): Promise<Reply | null> {
    const id = ++this.numbers
    const request: Request = {
      id,
      session: id,
      open: { file, mode: 'read', durability: 'process', lease: null },
      operations,
      close: 'commit',
    }
    return new Promise((resolve, reject) => {
      const { worker } = this
      const timer = setTimeout(() => {
        this.worker = Thread.start()
        worker.removeAllListeners('exit')
        worker.terminate().then(() => resolve(null), reject)
      }, LONGEST_MS)
      worker.once('message', (reply: PostedReply) => {
        clearTimeout(timer)
        worker.removeAllListeners('exit')
        resolve(replyOf(reply))
      })
      worker.once('exit', (code) => reject(new Error(`The thread ended with exit code ${code}.`)))
      worker.postMessage(postedRequest(request))
    })
  }

  end(): Promise<unknown> {
    this.worker.removeAllListeners()
    return this.worker.terminate()
  }

  private static start(): Worker {
    return new Worker(PROGRAM, { execArgv: [], workerData: { library: new SharedArrayBuffer(64) } })
  }
}

describe('The thread', () => {
  let thread: Thread
  beforeAll(() => {
    thread = new Thread()
  })
  afterAll(() => thread.end())

  test('answers every message about files with damage anywhere, and reads the next good file well.', {
    timeout: patience(90_000),
  }, async () => {
    const seed = freshSeed()
    const next = generator(seed)
    const folder = temporaryFolder()
    const path = join(folder, 'bad.h5')
    const good = join(EXAMPLES, 'smpl_i64le.h5')
    const names = [
      'vlen.h5',
      'array.h5',
      'smpl_compound_chunked.h5',
      'slink.h5',
      'scalar.h5',
      'smpl_enum.h5',
      'python3.h5',
      'smpl_SDSextendible.h5',
    ]
    const expected = values(await thread.ask(good, { do: 'read', path: '/TestArray', selection: [] }))
    for (let round = 0; round < scaled(60); round++) {
      const name = names[next() % names.length]!
      const bytes = readFileSync(join(EXAMPLES, name))
      for (let flips = 1 + (next() % 8); flips > 0; flips--) bytes[next() % bytes.length] = next() & 255
      writeFileSync(path, bytes)
      const shown = `seed ${seed}, round ${round}, ${name}`
      const walked = await thread.ask(path, { do: 'walk', path: '/' })
      expect(known(walked), shown).toBe(true)
      const found = walked?.outcome === 'done' ? (walked.answers[0] as Answers['walk']) : []
      for (const { name: below, info } of found) {
        const own = `/${below}`
        const content: Operation = info.kind === 'dataset' ? { do: 'read', path: own, selection: [] } : { do: 'describe', path: own }
        expect(known(await thread.ask(path, content)), `${shown} ${own}`).toBe(true)
        expect(known(await thread.ask(path, { do: 'attributes', path: own })), `${shown} ${own}`).toBe(true)
      }
      expect(values(await thread.ask(good, { do: 'read', path: '/TestArray', selection: [] })), shown).toEqual(expected)
    }
  })

  test('says what is no HDF5 file.', async () => {
    const path = join(temporaryFolder(), 'bad.h5')
    const next = generator(1)
    for (const bytes of [Buffer.alloc(0), Buffer.from('no file of this kind'), Buffer.from(Uint8Array.from({ length: 5000 }, next))]) {
      writeFileSync(path, bytes)
      expect(await thread.ask(path, { do: 'keys', path: '/' })).toMatchObject({
        outcome: 'failed',
        error: { code: 'HDF5_NOT_HDF5', file: path },
      })
    }
    expect(await thread.ask(`${path}.none`, { do: 'keys', path: '/' })).toMatchObject({
      outcome: 'failed',
      error: { code: 'HDF5_NO_FILE' },
    })
  })
})

/** An answer, or an error with a code; an answer that never comes is HDF5's own. */
function known(reply: Reply | null): boolean {
  return reply === null || reply.outcome === 'done' || (reply.outcome === 'failed' && reply.error.code?.startsWith('HDF5_') === true)
}

function values(reply: Reply | null): unknown {
  return reply?.outcome === 'done' ? (reply.answers[0] as NdArray).data : reply
}
