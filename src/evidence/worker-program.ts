// SPDX-License-Identifier: MIT
// What runs in a worker thread or process: opens lock spaces as it is told to, serves their hands over messages, and tries locks on files.
import { parentPort, workerData } from 'node:worker_threads'
import { isLockError } from '../core/errors.ts'
import { tryFileLock } from './file-locks.ts'
import { Hands } from './hands.ts'
import { FileMarks, type Marks, SharedMarks } from './marks.ts'
import { type Ask, type FromWorker, MARKS_FD, type ToWorker } from './messages.ts'

const marks: Marks = parentPort === null ? new FileMarks(MARKS_FD) : new SharedMarks(workerData as SharedArrayBuffer)
const all: Hands[] = []

async function answer(ask: Ask): Promise<unknown> {
  if ('open' in ask) return all.push(await Hands.open(ask.open, ask.who, marks)) - 1
  if ('fileLock' in ask) return tryFileLock(ask.fileLock, ask.kind, ask.type)
  const method = all[ask.hands]![ask.command] as (...parameters: unknown[]) => unknown
  return await method.apply(all[ask.hands], ask.parameters as unknown[])
}

function post(message: FromWorker): void {
  if (parentPort !== null) parentPort.postMessage(message)
  else if (process.connected) process.send!(message)
}

function serve({ call, ask }: ToWorker): void {
  answer(ask).then(
    (result) => post({ call, result }),
    (error: unknown) =>
      post({
        call,
        error: { code: isLockError(error) ? error.code : null, message: error instanceof Error ? error.message : String(error) },
      }),
  )
}

if (parentPort !== null) parentPort.on('message', serve)
else {
  process.on('message', serve)
  // Whoever started this process is gone: there is nobody left to be of use to.
  process.on('disconnect', () => process.exit())
  // ^C goes to everybody at the terminal; whoever started this process ends it in good order.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
}
