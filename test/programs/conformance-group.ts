// SPDX-License-Identifier: MIT
// One rank of a group under the conformance suite, whatever started it: node conformance-group.js SOCKET
// It does what it is told over a Unix socket. Opening a lock space is told to all ranks, as they open it together.
import { connect } from 'node:net'
import { deserialize, serialize } from 'node:v8'
import { threadId } from 'node:worker_threads'
import { groupBackend } from '../../src/backends/group/index.ts'
import { thisCommunicator } from '../../src/communicators/this-group.ts'
import { Agent } from '../../src/conformance/agent.ts'
import { type FromAgent, packError, type ToAgent } from '../../src/conformance/wire.ts'
import { LockSpace } from '../../src/lock-space.ts'
import { Frames, frame } from './group-frames.ts'

/** What this rank is told beside what an agent is. */
export type ToRank = ToAgent | { readonly signal: NodeJS.Signals; readonly pid: number } | { readonly exit: number }

/** The first thing that it says. */
export interface Introduction {
  readonly rank: number
  readonly pid: number
  readonly thread: number
}

const communicator = await thisCommunicator()
const socket = connect(process.argv[2]!)
let agent: Agent | null = null

say({ rank: communicator.rank, pid: process.pid, thread: threadId })
const frames = new Frames((bytes) => serve(deserialize(bytes) as ToRank))
socket.on('data', (chunk) => frames.push(chunk))
// Whoever started this rank is gone: there is nobody left to be of use to.
socket.on('close', () => process.exit())
socket.on('error', () => process.exit())

function say(what: FromAgent | Introduction): void {
  socket.write(frame(serialize(what)))
}

function serve(message: ToRank): void {
  if ('exit' in message) process.exit(message.exit)
  if ('signal' in message) {
    process.kill(message.pid, message.signal)
    return
  }
  const { call } = message
  answer(message).then(
    (result) => say({ call, result }),
    (error) => say({ call, error: packError(error) }),
  )
}

async function answer(message: ToAgent): Promise<unknown> {
  if ('open' in message) {
    const backend = groupBackend(communicator, message.open.argument as object)
    agent = new Agent(new LockSpace(backend), backend, ({ event, number, reason }) =>
      say({ event, number, reason: event === 'lost' ? packError(reason) : undefined }),
    )
    return agent.facts()
  }
  if (agent === null) throw new Error('No lock space is open.')
  const method = agent[message.command] as (...parameters: unknown[]) => unknown
  return await method.apply(agent, message.parameters as unknown[])
}
