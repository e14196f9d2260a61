// SPDX-License-Identifier: MIT
// Says which group it finds itself in, or why none: as a child process or a worker thread of a rank.
import { parentPort } from 'node:worker_threads'
import { thisCommunicator } from '../../src/communicators/this-group.ts'

const found = await thisCommunicator().then(
  ({ transport, rank, size }) => `${transport} ${rank} of ${size}`,
  (error: { readonly code: string }) => error.code,
)
if (parentPort === null) console.log(found)
else parentPort.postMessage(found)
