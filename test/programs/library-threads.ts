// SPDX-License-Identifier: MIT
// Threads that write with the HDF5 library of the system at once, each in a file of its own, while others end in the middle. Prints how many
// transactions were done, and how often two threads were in the library at the same time.
//
//     node library-threads.js FOLDER ENDED WRITERS
//
// In each file the attribute `last` names the one dataset that there is.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { openLibrary } from '../../src/hdf5/engine/library/index.ts'
import { StoredFile } from '../../src/hdf5/storage/stored-file.ts'
import { takeProcessLock } from '../../src/native/process-lock.ts'

interface Task {
  readonly file: string
  /** How many threads are in the library, and how often there was another. */
  readonly inside: SharedArrayBuffer
  /** 0: until it is ended. */
  readonly transactions: number
  /** Ends the process of the thread, as it sees it, in the middle of the transaction of this number. */
  readonly exitIn: number
}

function replace(task: Task, from: string, to: string): void {
  const inside = new Int32Array(task.inside)
  const stored = StoredFile.open({ path: task.file, mode: 'write', durability: 'process', lease: null })
  if (typeof stored === 'string') throw new Error(`${task.file} is ${stored}.`)
  parentPort?.postMessage('opened')
  const library = openLibrary(stored, 'a test')
  if (Atomics.add(inside, 0, 1) !== 0) Atomics.add(inside, 1, 1)
  library.createDataset(`/${to}`, { dtype: 'string', shape: [50], maxShape: [null], chunks: [7], gzip: 1, shuffle: true, fillValue: to })
  if (to === `d${task.exitIn}`) {
    Atomics.sub(inside, 0, 1)
    process.exit(0)
  }
  library.setAttribute('/', 'last', 'string', [], [to])
  library.deleteLink(`/${from}`)
  Atomics.sub(inside, 0, 1)
  library.close()
  stored.commit()
  stored.close()
}

function work(task: Task): void {
  for (let done = 0; task.transactions === 0 || done < task.transactions; done++) {
    replace(task, `d${done}`, `d${done + 1}`)
    parentPort?.postMessage('done')
  }
}

interface Running {
  readonly worker: Worker
  readonly ended: Promise<void>
}

let transactions = 0

function start(task: Task): Running {
  const worker = new Worker(new URL(import.meta.url), { workerData: task })
  const ended = new Promise<void>((resolve, reject) => {
    worker.on('error', reject)
    worker.on('exit', () => resolve())
  })
  worker.on('message', (message) => {
    if (message === 'done') transactions++
  })
  return { worker, ended }
}

async function main(folder: string, toEnd: number, writers: number): Promise<void> {
  const files = readdirSync(folder).map((name) => join(folder, name))
  const inside = new SharedArrayBuffer(8)
  const shared = files.splice(0, writers).map((file) => start({ file, inside, transactions: 60, exitIn: 0 }))
  await Promise.all(shared.map(({ ended }) => ended))
  // One more goes on, while others end in the middle, and leave their file open in the library.
  const steady = start({ file: files.pop()!, inside, transactions: 0, exitIn: 0 })
  for (let ended = 0; ended < toEnd; ended++) await start({ file: files.pop()!, inside, transactions: 0, exitIn: 1 + (ended % 5) }).ended
  // One ends while it waits for its turn.
  const release = takeProcessLock()
  const waiting = start({ file: files.pop()!, inside, transactions: 0, exitIn: 0 })
  await new Promise((resolve) => waiting.worker.once('message', resolve))
  await waiting.worker.terminate()
  release()
  await new Promise((resolve) => steady.worker.once('message', resolve))
  console.log(JSON.stringify({ transactions, together: new Int32Array(inside)[1] }))
  // No thread may be ended while it is in the library: those that are leave it first, and the others stay outside.
  process.once('exit', () => takeProcessLock())
  process.exit(0)
}

if (isMainThread) {
  const [folder, toEnd, writers] = process.argv.slice(2)
  await main(folder!, Number(toEnd), Number(writers))
} else {
  work(workerData as Task)
}
