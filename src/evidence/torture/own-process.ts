// SPDX-License-Identifier: MIT
// A server that the torture started: a program in a folder of its own, out of reach of a terminal's ^C, and gone with the torture however that ends.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { LockError } from '../../core/errors.ts'

/** One that does not end in good order within this time is killed. */
const PATIENCE_MS = 5_000
const START_MS = 30_000
const PRINTED_SHOWN = 2_000

let leash: readonly string[] | null = null

/** A child that is started through setpriv is killed by the kernel when this process dies. */
function leashed(): readonly string[] {
  leash ??= spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0 ? ['setpriv', '--pdeathsig', 'KILL'] : []
  return leash
}

export class OwnProcess {
  private readonly command: readonly string[]
  private readonly folder: string
  private readonly isReady: () => Promise<boolean>
  private child: ChildProcess | null = null
  private printed = ''

  /** @param isReady asks the server itself; a rejection is a no. */
  constructor(command: readonly string[], folder: string, isReady: () => Promise<boolean>) {
    this.command = command
    this.folder = folder
    this.isReady = isReady
  }

  /** Resolves when it serves. */
  async start(): Promise<void> {
    const [file, ...words] = [...leashed(), ...this.command]
    const child = spawn(file!, words, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    this.child = child
    this.printed = ''
    child.on('error', (error) => {
      this.printed += String(error)
    })
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.printed = (this.printed + text).slice(-PRINTED_SHOWN)
      })
    for (const end = performance.now() + START_MS; performance.now() < end; await pause(20)) {
      if (this.ended) break
      if (await this.isReady().catch(() => false)) return
    }
    await this.end('SIGKILL')
    throw new LockError('LOCK_UNAVAILABLE', `${this.command[0]} did not start: ${this.printed.trim()}`)
  }

  /** Resolves when it is gone. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { child } = this
    if (child === null || this.ended) return
    const gone = once(child, 'exit')
    child.kill(signal)
    // One that stands still hears nothing but SIGKILL.
    child.kill('SIGCONT')
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
    await gone
    clearTimeout(timer)
  }

  freeze(): void {
    this.child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.child?.kill('SIGCONT')
  }

  private get ended(): boolean {
    const { child } = this
    return child === null || child.exitCode !== null || child.signalCode !== null || child.pid === undefined
  }
}

/** @throws LockError `LOCK_UNSUPPORTED` when there is no such program. */
export function findProgram(name: string, advice: string): string {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    try {
      const file = join(folder, name)
      accessSync(file, constants.X_OK)
      return file
    } catch {
      // The next one.
    }
  }
  throw new LockError('LOCK_UNSUPPORTED', `There is no ${name} on this machine to start one of our own: ${advice}.`)
}

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
