// SPDX-License-Identifier: MIT
// A real redis-server of a test's own: on a free port of this machine, in a folder of its own, and gone when the test process is gone.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface RedisOptions {
  /** More of the command line: it wins over the tests' own settings. */
  readonly args?: readonly string[]
  /** Where the server keeps its files; a temporary folder, which goes with the server, when left out. */
  readonly dir?: string
  /** A free one when left out. */
  readonly port?: number
}

export interface RedisServer {
  readonly port: number
  readonly dir: string
  /** Of the process that runs now; it changes with a restart. */
  readonly pid: number
  /** Ends it in good order, SIGKILL if it does not listen, and removes its temporary folder. Idempotent. */
  stop(): Promise<void>
  /** SIGKILL. What it had written to its folder is still there. */
  kill(): Promise<void>
  /** Ends it in good order (if it runs), and starts it again on the same port, folder and, unless others are given, arguments. */
  restart(args?: readonly string[]): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A server that does not end within this time when asked to is killed. */
const PATIENCE_MS = 3_000

// A child that is started through setpriv is killed by the kernel when this process dies, however it dies.
const leash = spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0 ? ['setpriv', '--pdeathsig', 'KILL'] : []

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Resolves when the server accepts connections; rejects, with what it printed, when it does not start. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'holdfast-redis-')))
  const removeDir = async (): Promise<void> => {
    if (options.dir === undefined) await rm(dir, { recursive: true, force: true })
  }
  let args = options.args ?? []
  let port = options.port ?? (await freePort())
  let child: ChildProcess
  for (let attempt = 1; ; attempt++) {
    try {
      child = await launch(port, dir, args)
      break
    } catch (error) {
      // Somebody else may have taken the free port in the meantime.
      if (options.port === undefined && attempt < 5 && /Address already in use/.test(String(error))) port = await freePort()
      else {
        await removeDir()
        throw error
      }
    }
  }
  const server: RedisServer = {
    port,
    dir,
    get pid() {
      return child.pid!
    },
    async stop() {
      await end(child, 'SIGTERM')
      await removeDir()
    },
    async kill() {
      await end(child, 'SIGKILL')
    },
    async restart(others) {
      await end(child, 'SIGTERM')
      args = others ?? args
      child = await launch(port, dir, args)
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
    },
  }
  return server
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

function launch(port: number, dir: string, args: readonly string[]): Promise<ChildProcess> {
  const own = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no']
  return launchWith([...own, ...args], /Ready to accept connections/)
}

/** A process that is gone when this one is. Resolves when it has printed that it is ready. */
export async function launchWith(args: readonly string[], ready: RegExp): Promise<ChildProcess> {
  const [command, ...rest] = [...leash, 'redis-server', ...args]
  const child = spawn(command!, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  child.once('exit', () => running.delete(child))
  await new Promise<void>((resolve, reject) => {
    let printed = ''
    const listen = (chunk: Buffer): void => {
      printed += chunk.toString()
      if (!ready.test(printed)) return
      child.stdout!.off('data', listen).resume()
      resolve()
    }
    child.stdout!.on('data', listen)
    child.stderr!.on('data', listen)
    child.once('error', reject)
    child.once('exit', (code, signal) => reject(new Error(`redis-server did not start (${signal ?? code}):\n${printed}`)))
  })
  return child
}

/** Asks it to end, and kills it if it does not listen. */
export async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  // One that was stopped hears nothing but SIGKILL until it goes on.
  child.kill('SIGCONT')
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
  await gone
  clearTimeout(timer)
}
