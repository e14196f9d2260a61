// SPDX-License-Identifier: MIT
// The program of a thread that runs the HDF5 library: answers each message, one after the other, whatever happens.
import { parentPort, workerData } from 'node:worker_threads'
import { openLibrary } from './library/index.ts'
import { type PostedRequest, postedReply, requestOf } from './posted.ts'
import type { FileRequest, Reply, Request } from './protocol.ts'
import { posted, Sessions } from './session.ts'
import { type Engine, loadEngine } from './wasm.ts'

/** What a thread is started with. */
export interface ThreadData {
  /** Shared by all threads of a process: 1 once one of them has used the system's library. */
  readonly library: Int32Array
}

const port = parentPort!
const { library } = workerData as ThreadData
const sessions = new Sessions((stored, what) => {
  Atomics.store(library, 0, 1)
  return openLibrary(stored, what)
})
let engine: Engine | null = null
/** What came while an engine was being loaded. */
const waiting: (Request | FileRequest)[] = []
let isLoading = false

port.on('message', (posted: PostedRequest) => {
  const message = requestOf(posted)
  if (engine !== null && !engine.isWorn && !isLoading) return answer(message, engine)
  waiting.push(message)
  void load()
})
void load()

/** Sessions that are open keep the engine that they began with. */
async function load(): Promise<void> {
  if (isLoading) return
  isLoading = true
  let failure: unknown
  try {
    engine = await loadEngine()
  } catch (error) {
    engine = null
    failure = error
  }
  isLoading = false
  for (const message of waiting.splice(0)) {
    if (engine === null) send({ id: message.id, outcome: 'failed', error: posted(failure) })
    else answer(message, engine)
  }
}

function answer(message: Request | FileRequest, current: Engine): void {
  send(sessions.handle(message, current))
}

function send(reply: Reply): void {
  try {
    port.postMessage(postedReply(reply), buffersOf(reply))
  } catch (error) {
    port.postMessage({ id: reply.id, outcome: 'failed', error: posted(error) } satisfies Reply)
  }
}

/** The data of arrays, which move to the other thread instead of being copied. */
function buffersOf(reply: Reply): ArrayBuffer[] {
  if (reply.outcome !== 'done') return []
  const buffers = new Set<ArrayBuffer>()
  for (const answer of reply.answers) {
    const data = (answer as { data?: unknown } | null | undefined)?.data
    if (ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength)
      buffers.add(data.buffer)
  }
  return [...buffers]
}
