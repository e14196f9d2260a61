// SPDX-License-Identifier: MIT
// A worker thread that uses h5wasm alone: opens the file, does one thing, closes it. No lock, no journal, no check for errors.
import { parentPort } from 'node:worker_threads'
import type { BareOrder } from '../hdf5-peers.ts'

/** What is used of h5wasm, whose own types need others. */
interface Bare {
  readonly ready: Promise<unknown>
  readonly File: new (
    path: string,
    mode: 'r' | 'a',
  ) => {
    get(path: string): { slice(ranges: number[][]): ArrayBufferView; write_slice(ranges: number[][], data: ArrayBufferView): void }
    close(): void
  }
}

const h5wasm = (await import('h5wasm/node')) as unknown as Bare
await h5wasm.ready
const port = parentPort!
port.postMessage(null)

port.on('message', ({ file, dataset, rows, write }: BareOrder) => {
  const opened = new h5wasm.File(file, write === undefined ? 'r' : 'a')
  const found = opened.get(dataset)
  if (write === undefined) {
    const data = found.slice([rows as unknown as number[], []])
    opened.close()
    port.postMessage(data, [data.buffer as ArrayBuffer])
  } else {
    found.write_slice([rows as unknown as number[], []], write)
    opened.close()
    port.postMessage(null)
  }
})
