// SPDX-License-Identifier: MIT
// A process that locks a file as it is told over IPC, and says `waiting`, `granted`, `released` or what went wrong. In a worker thread, if the first
// argument is `worker`.
import { once } from 'node:events'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { isLockError, type Lease } from 'holdfast'
import { LockFile } from 'holdfast/lock-file'

interface Order {
  readonly do: 'read' | 'write' | 'release' | 'terminate' | 'blind'
  readonly path: string
}

let lease: Lease | null = null
const say = (what: string): void => {
  if (parentPort === null) process.send!(what)
  else parentPort.postMessage(what)
}

async function obey({ do: what, path }: Order): Promise<void> {
  try {
    if (what === 'release') {
      await lease?.release()
      return say('released')
    }
    const file = new LockFile(path)
    const request = what === 'read' ? file.read() : file.write()
    if (file.waiting > 0) say('waiting')
    lease = await request
    say('granted')
  } catch (error) {
    say(isLockError(error) ? error.code : String(error))
  }
}

/** Uses up what this user may have of what tells about files. */
async function goBlind(): Promise<void> {
  const { Inotify } = (await import(new URL('../../../dist/native/inotify.js', import.meta.url).href)) as {
    Inotify: new () => unknown
  }
  const kept: unknown[] = []
  try {
    for (;;) kept.push(new Inotify())
  } catch {
    process.once('exit', () => kept.splice(0))
    say(`blind after ${kept.length}`)
  }
}

if (!isMainThread) parentPort!.on('message', (order: Order) => void obey(order))
else if (process.argv[2] === 'worker') {
  const worker = new Worker(new URL(import.meta.url))
  worker.on('message', say)
  process.on('message', (order: Order) => {
    if (order.do === 'terminate') void worker.terminate().then(() => say('terminated'))
    else worker.postMessage(order)
  })
  await once(worker, 'online')
  say('ready')
} else {
  process.on('message', (order: Order) => void (order.do === 'blind' ? goBlind() : obey(order)))
  say('ready')
}
