// SPDX-License-Identifier: MIT
// Clients in processes of their own, which can be killed and stopped.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Arena } from './client.ts'
import { remoteArena, type Station, Stations } from './remote-arena.ts'
import { type FromAgent, type Host, Wire } from './wire.ts'

/**
 * An arena whose clients are lock spaces in processes of their own.
 *
 * @param module the address of a module, compiled to JavaScript, that exports `openBackend(argument): Backend | Promise<Backend>`.
 * @param argument handed to it; anything that can be cloned.
 * @param cleanUp removes what the engine kept of the space.
 */
export function processClients(module: URL | string, argument: unknown, cleanUp: () => void | Promise<void> = () => {}): Arena {
  return remoteArena(processes, module, argument, cleanUp)
}

const processes = new Stations(startProcess)

function startProcess(): Station {
  // No options of ours (loaders, inspectors) are handed down; `advanced` carries bigint and NaN.
  const child = fork(fileURLToPath(new URL('./agent-program.js', import.meta.url)), [], { execArgv: [], serialization: 'advanced' })
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.unref()
  const host: Host = {
    post: (message) => void child.send(message),
    keepAlive: (needed) => (needed ? child.channel?.ref() : child.channel?.unref()),
    async kill() {
      child.ref()
      child.kill('SIGKILL')
      await exit
    },
    stop: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
  }
  const wire = new Wire(host)
  child.on('message', (message) => wire.receive(message as FromAgent))
  child.on('error', (error) => wire.gone(`its process failed with ${String(error)}`))
  child.on('exit', (code, signal) => wire.gone(`its process has ended (${signal ?? code})`))
  return { host, wire }
}
