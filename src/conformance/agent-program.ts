// SPDX-License-Identifier: MIT
// What runs in a thread or process of the suite: opens the lock space that it is told to, and serves its agent over messages. When the
// space is closed, another can be opened, so that the suite need not start a process for each test.
import { parentPort } from 'node:worker_threads'
import type { Backend } from '../core/backend.ts'
import { LockSpace } from '../lock-space.ts'
import { Agent } from './agent.ts'
import { type FromAgent, packError, type ToAgent } from './wire.ts'

/** What the module of a backend's author exports. */
interface Factory {
  openBackend?: (argument: unknown) => Backend | Promise<Backend>
}

let agent: Agent | null = null

async function answer(message: ToAgent): Promise<unknown> {
  if ('open' in message) {
    const { openBackend } = (await import(message.open.module)) as Factory
    if (typeof openBackend !== 'function') throw new Error(`${message.open.module} does not export a function "openBackend".`)
    const backend = await openBackend(message.open.argument)
    agent = new Agent(new LockSpace(backend), backend, ({ event, number, reason }) =>
      post({ event, number, reason: event === 'lost' ? packError(reason) : undefined }),
    )
    return agent.facts()
  }
  if (agent === null) throw new Error('No lock space is open.')
  const method = agent[message.command] as (...parameters: unknown[]) => unknown
  return await method.apply(agent, message.parameters as unknown[])
}

function post(message: FromAgent): void {
  if (parentPort !== null) parentPort.postMessage(message)
  else if (process.connected) process.send!(message)
}

function serve(message: ToAgent): void {
  const { call } = message
  answer(message).then(
    (result) => post({ call, result }),
    (error) => post({ call, error: packError(error) }),
  )
}

if (parentPort !== null) parentPort.on('message', serve)
else {
  process.on('message', serve)
  // Whoever started this process is gone: there is nobody left to be of use to.
  process.on('disconnect', () => process.exit())
}
