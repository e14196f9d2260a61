// SPDX-License-Identifier: MIT
// Clients in this thread.
import type { Backend } from '../core/backend.ts'
import { LockSpace } from '../lock-space.ts'
import { Agent } from './agent.ts'
import { AgentClient, type Line } from './agent-client.ts'
import type { Arena, Client } from './client.ts'

/**
 * An arena whose clients are lock spaces in this thread, each on a backend of its own that `openBackend` makes. A backend whose locks do
 * not leave it (`scope: 'thread'`) is made once, and its one lock space is shared.
 *
 * @param cleanUp removes what the engine kept of the space.
 */
export function localClients(openBackend: () => Backend | Promise<Backend>, cleanUp: () => void | Promise<void> = () => {}): Arena {
  const open = new Map<LockSpace, Backend>()
  let last: Promise<unknown> = Promise.resolve()

  const openSpace = async (): Promise<[LockSpace, Backend]> => {
    for (const [space, backend] of open) if (backend.supports.scope === 'thread') return [space, backend]
    const backend = await openBackend()
    const space = new LockSpace(backend)
    open.set(space, backend)
    return [space, backend]
  }
  // One after the other, so that those who ask at the same time share a space that is to be shared.
  const nextSpace = (): Promise<[LockSpace, Backend]> => {
    const opened = last.then(openSpace, openSpace)
    last = opened
    return opened
  }

  return {
    async client(): Promise<Client> {
      const [space, backend] = await nextSpace()
      const agent = new Agent(space, backend, (event) => line.onEvent(event))
      const line = lineTo(agent)
      const client = new AgentClient(line, agent.facts())
      const close = client.close.bind(client)
      client.close = (options) => {
        open.delete(space)
        return close(options)
      }
      return client
    },
    async close() {
      try {
        await Promise.all([...open.keys()].map((space) => space.close({ timeout: 0 })))
      } finally {
        await cleanUp()
      }
    },
  }
}

function lineTo(agent: Agent): Line {
  return {
    onEvent() {},
    // Also a method that answers at once is called in a promise, as it would be at the other end of a wire.
    async call(command, ...parameters) {
      const method = agent[command] as (...parameters: unknown[]) => Promise<never>
      return await method.apply(agent, parameters)
    },
  }
}
