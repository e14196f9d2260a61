// SPDX-License-Identifier: MIT
// Clients in worker threads.
import { Worker } from 'node:worker_threads'
import type { Arena } from './client.ts'
import { remoteArena, type Station, Stations } from './remote-arena.ts'
import { type Host, Wire } from './wire.ts'

/**
 * An arena whose clients are lock spaces in worker threads of this process.
 *
 * @param module the address of a module, compiled to JavaScript, that exports `openBackend(argument): Backend | Promise<Backend>`.
 * @param argument handed to it; anything that can be cloned.
 * @param cleanUp removes what the engine kept of the space.
 */
export function threadClients(module: URL | string, argument: unknown, cleanUp: () => void | Promise<void> = () => {}): Arena {
  return remoteArena(threads, module, argument, cleanUp)
}

const threads = new Stations(startThread)

function startThread(): Station {
  const worker = new Worker(new URL('./agent-program.js', import.meta.url), { execArgv: [] })
  const host: Host = {
    post: (message) => worker.postMessage(message),
    keepAlive: (needed) => (needed ? worker.ref() : worker.unref()),
    async kill() {
      await worker.terminate()
    },
  }
  const wire = new Wire(host)
  worker.on('message', (message) => wire.receive(message))
  worker.on('error', (error) => wire.gone(`its thread failed with ${String(error)}`))
  worker.on('exit', () => wire.gone('its thread has ended'))
  return { host, wire }
}
