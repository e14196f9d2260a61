// SPDX-License-Identifier: MIT
// What becomes of the other ranks when this program ends: it leaves in good order where it ends in good order, and ends the job where it fails.
import { inspect } from 'node:util'
import type { MpiCommunicator } from './communicator.ts'

/** From now on the end of this program is an end that the group knows of. */
export function watchEnd(communicator: MpiCommunicator): void {
  let uncaught: { readonly error: unknown } | null = null
  process.on('beforeExit', () => {
    if (!communicator.hasEnded) void communicator.leave()
  })
  process.on('uncaughtExceptionMonitor', (error) => {
    // A program that handles such errors goes on.
    if (process.listenerCount('uncaughtException') > 0 || process.hasUncaughtExceptionCaptureCallback()) return
    uncaught = { error }
  })
  const atExit = (code: number): void => {
    if (communicator.hasEnded) return
    if (uncaught !== null) communicator.abort(`uncaught ${inspect(uncaught.error)}`, code === 0 ? 1 : code)
    else if (code !== 0) communicator.abort(`it exits with code ${code}.`, code)
    else leaveAtOnce(communicator)
  }
  process.on('exit', atExit)
  // Always the last one: others may have something to say to the group, or to bring to its end, and this may not return.
  process.on('newListener', (event: string | symbol, listener: unknown) => {
    if (event === 'exit' && listener !== atExit) queueMicrotask(() => process.off('exit', atExit).on('exit', atExit))
  })
}

function leaveAtOnce(communicator: MpiCommunicator): void {
  try {
    communicator.leaveAtOnce()
  } catch (error) {
    communicator.abort(`it failed while it served the others at its end: ${inspect(error)}`)
  }
}
