// SPDX-License-Identifier: MIT
// A worker thread of an actor: one task, one word.
import { closeSync, openSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { KINDS, type KindName } from './kinds.ts'

export type Task = 'open and close' | 'ask' | 'ask and end'

const { task, kindName, path } = workerData as { task: Task; kindName: KindName; path: string }
const fd = openSync(path, 'r+')
if (task === 'open and close') {
  closeSync(fd)
  parentPort?.postMessage(null)
} else {
  parentPort?.postMessage(KINDS[kindName].ask(fd, 'write'))
}
// A thread that listens stays. One that ends has its descriptors closed by Node.
if (task === 'ask') parentPort?.on('message', () => undefined)
