// SPDX-License-Identifier: MIT
// A real ZooKeeper server of a test's own: on free ports of this machine, in a folder of its own, and gone when the test process is gone.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ZooKeeperOptions {
  /** The server's unit of time, in milliseconds, 100 when left out: sessions expire at multiples of it. */
  readonly tickTime?: number
  /** What the server lets clients ask for, in milliseconds; 200 to 600,000 when left out. */
  readonly sessionTimeouts?: { readonly min?: number; readonly max?: number }
  /** Empty containers are looked for this often; and ones that never had a child go after a time, never when left out. In milliseconds. */
  readonly containers?: { readonly checkEveryMs: number; readonly neverUsedMs?: number }
  /** `user:password` of one whom no ACL keeps out. */
  readonly superUser?: string
  /** More lines of the configuration file: they win over the tests' own. */
  readonly config?: Readonly<Record<string, string>>
  /** More system properties, by their whole names: they win over the tests' own. */
  readonly properties?: Readonly<Record<string, string>>
  /** Whether a transaction is on the disk before it is answered; no when left out: nothing is lost unless the machine goes down. */
  readonly forceSync?: boolean
  /** 64 when left out. */
  readonly heapMegabytes?: number
  /** Which member of an ensemble this is. */
  readonly id?: number
  /** Where the server keeps its data; in its own temporary folder, which goes with the server, when left out. */
  readonly dataDir?: string
  /** A free one when left out. */
  readonly port?: number
}

export type ZooKeeperRole = 'standalone' | 'leader' | 'follower' | 'observer'

export interface ZooKeeperServer {
  readonly host: string
  readonly port: number
  /** `host:port` */
  readonly address: string
  /** Of the process that runs now, or ran last; it changes with a restart. */
  readonly pid: number
  /** Configuration, log and (unless told otherwise) data. */
  readonly folder: string
  /** False when it was killed, stopped, or paused. */
  readonly running: boolean
  /** Resolves when it serves clients; rejects with its log when it ended, or does not serve in time. */
  ready(): Promise<void>
  /** Kills it and removes its folder; with a `dataDir` of its own it ends in good order, if it does so in time. Idempotent. */
  stop(): Promise<void>
  /** SIGKILL. What it had written to its folder is still there. */
  kill(): Promise<void>
  /** SIGSTOP: connections stay open, and nobody answers. Resolves when every thread of it stands. */
  pause(): Promise<void>
  resume(): void
  /** Ends it in good order (if it runs), and starts it again on the same port and data, with these options changed. Resolves when it serves. */
  restart(changes?: Omit<ZooKeeperOptions, 'port' | 'dataDir' | 'id'>): Promise<void>
  /** What it answers to a four letter word: `ruok`, `srvr`, `mntr`, `cons`, `dump`, `wchs`, `wchp`, ... Rejects when it does not within the time. */
  words(word: string, timeoutMs?: number): Promise<string>
  /** The word `mntr` as a table: `zk_watch_count`, `zk_ephemerals_count`, `zk_sum_node_deleted_watch_count`, ... */
  metrics(): Promise<Record<string, string>>
  /** Null while it serves nobody. */
  role(timeoutMs?: number): Promise<ZooKeeperRole | null>
  /** The end of what it logged. */
  log(): Promise<string>
  [Symbol.asyncDispose](): Promise<void>
}

const HOST = '127.0.0.1'
const JARS = '/usr/share/java'

/** A server that does not end within this time when asked to is killed. */
const PATIENCE_MS = 3_000

/** It takes 0.3 s alone, and 1 s in an ensemble, where nothing else runs. */
const START_WITHIN_MS = 20_000

// A child that is started through setpriv is killed by the kernel when this process dies, however it dies.
export const leash: readonly string[] =
  spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0 ? ['setpriv', '--pdeathsig', 'KILL'] : []

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Resolves when the server serves; rejects, with its log, when it does not start. */
export async function startZooKeeper(options: ZooKeeperOptions = {}): Promise<ZooKeeperServer> {
  for (let attempt = 1; ; attempt++) {
    const server = await launchZooKeeper(options)
    try {
      await server.ready()
      return server
    } catch (error) {
      await server.stop()
      if (options.port !== undefined || attempt === 5 || !portWasTaken(error)) throw error
    }
  }
}

/** Like `startZooKeeper`, and does not wait until it serves: a member of an ensemble does so only when there are enough of them. */
export async function launchZooKeeper(options: ZooKeeperOptions = {}): Promise<ZooKeeperServer> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-zookeeper-'))
  try {
    const server = new Server(folder, options.port ?? (await freePorts(1))[0]!, options)
    await server.launch()
    return server
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** Ports of 127.0.0.1, each another one, that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, HOST))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  for (const server of servers) server.close()
  await Promise.all(servers.map((server) => once(server, 'close')))
  return ports
}

/** True when a server did not start because somebody else took a free port in the meantime. */
export function portWasTaken(error: unknown): boolean {
  return /Address already in use/.test(String(error))
}

/** `user:password` as the server writes it in ACLs of the scheme `digest`. */
export function digestOf(credentials: string): string {
  return `${credentials.slice(0, credentials.indexOf(':'))}:${createHash('sha1').update(credentials).digest('base64')}`
}

class Server implements ZooKeeperServer {
  readonly host: string = HOST
  readonly port: number
  readonly folder: string
  private options: ZooKeeperOptions
  private child: ChildProcess | null = null
  private paused = false

  constructor(folder: string, port: number, options: ZooKeeperOptions) {
    this.folder = folder
    this.port = port
    this.options = options
  }

  get address(): string {
    return `${this.host}:${this.port}`
  }

  get pid(): number {
    return this.child!.pid!
  }

  get running(): boolean {
    return !this.paused && !hasEnded(this.child!)
  }

  async launch(): Promise<void> {
    const dataDir = this.options.dataDir ?? join(this.folder, 'data')
    await mkdir(dataDir, { recursive: true })
    if (this.options.id !== undefined) await writeFile(join(dataDir, 'myid'), `${this.options.id}\n`)
    const file = join(this.folder, 'zoo.cfg')
    await writeFile(file, linesOf({ ...configuration(this.options), dataDir, clientPortAddress: this.host, clientPort: `${this.port}` }))
    const [command, ...args] = [...leash, 'java', ...javaOptions(this.options), 'org.apache.zookeeper.server.quorum.QuorumPeerMain', file]
    const log = await open(join(this.folder, 'log'), 'a')
    const child = spawn(command!, args, { stdio: ['ignore', log.fd, log.fd], cwd: this.folder })
    this.child = child
    this.paused = false
    running.add(child)
    child.once('exit', () => running.delete(child))
    try {
      await once(child, 'spawn')
    } finally {
      await log.close()
    }
  }

  async ready(): Promise<void> {
    const child = this.child!
    for (const end = Date.now() + START_WITHIN_MS; Date.now() < end; await sleep(10)) {
      if (hasEnded(child)) throw new Error(`ZooKeeper ended (${child.signalCode ?? child.exitCode}):\n${await this.log()}`)
      // One that is asked too early may say nothing and keep the connection.
      if ((await this.role(500).catch(() => null)) === null) continue
      // Who answers may be another server that took the port.
      if ((await this.words('envi').catch(() => '')).includes(`user.dir=${this.folder}\n`)) return
    }
    throw new Error(`ZooKeeper did not serve within ${START_WITHIN_MS} ms:\n${await this.log()}`)
  }

  async stop(): Promise<void> {
    // What it takes a third of a second to tidy up goes with the folder.
    await this.end(this.options.dataDir === undefined ? 'SIGKILL' : 'SIGTERM')
    await rm(this.folder, { recursive: true, force: true })
  }

  kill(): Promise<void> {
    return this.end('SIGKILL')
  }

  async pause(): Promise<void> {
    this.child!.kill('SIGSTOP')
    this.paused = true
    while (!(await standsStill(this.pid))) await sleep(1)
  }

  resume(): void {
    this.child!.kill('SIGCONT')
    this.paused = false
  }

  async restart(changes: Omit<ZooKeeperOptions, 'port' | 'dataDir' | 'id'> = {}): Promise<void> {
    await this.end('SIGTERM')
    this.options = { ...this.options, ...changes }
    await this.launch()
    await this.ready()
  }

  async words(word: string, timeoutMs: number = 2_000): Promise<string> {
    const socket = connect(this.port, this.host)
    const timer = setTimeout(() => socket.destroy(new Error(`${this.address} did not answer to ${word} within ${timeoutMs} ms`)), timeoutMs)
    try {
      socket.write(word)
      const chunks: Buffer[] = []
      for await (const chunk of socket) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks).toString()
    } finally {
      clearTimeout(timer)
      socket.destroy()
    }
  }

  async metrics(): Promise<Record<string, string>> {
    const lines = (await this.words('mntr')).trim().split('\n')
    return Object.fromEntries(lines.map((line) => line.split('\t')))
  }

  async role(timeoutMs: number = 2_000): Promise<ZooKeeperRole | null> {
    const found = /^Mode: (.*)$/m.exec(await this.words('srvr', timeoutMs))
    return found === null ? null : (found[1] as ZooKeeperRole)
  }

  async log(): Promise<string> {
    const text = await readFile(join(this.folder, 'log'), 'utf8').catch(() => '')
    return text.slice(-4_000)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  private async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.child!
    if (hasEnded(child)) return
    const gone = once(child, 'exit')
    child.kill(signal)
    // One that was stopped hears nothing but SIGKILL until it goes on.
    child.kill('SIGCONT')
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
    await gone
    clearTimeout(timer)
  }
}

function configuration({ tickTime = 100, sessionTimeouts = {}, config = {} }: ZooKeeperOptions): Record<string, string> {
  return {
    tickTime: `${tickTime}`,
    minSessionTimeout: `${sessionTimeouts.min ?? 200}`,
    maxSessionTimeout: `${sessionTimeouts.max ?? 600_000}`,
    'admin.enableServer': 'false',
    maxClientCnxns: '0',
    '4lw.commands.whitelist': '*',
    ...config,
  }
}

function javaOptions({ forceSync = false, heapMegabytes = 64, containers, superUser, properties = {} }: ZooKeeperOptions): string[] {
  const all: Record<string, string> = {
    'org.slf4j.simpleLogger.defaultLogLevel': 'warn',
    'org.slf4j.simpleLogger.showDateTime': 'true',
    'zookeeper.jmx.log4j.disable': 'true',
    'zookeeper.forceSync': forceSync ? 'yes' : 'no',
    // Otherwise every log of transactions takes 64 MB at once.
    'zookeeper.preAllocSize': '1024',
  }
  if (containers !== undefined) {
    all['znode.container.checkIntervalMs'] = `${containers.checkEveryMs}`
    all['znode.container.maxNeverUsedIntervalMs'] = `${containers.neverUsedMs ?? 0}`
  }
  if (superUser !== undefined) all['zookeeper.DigestAuthenticationProvider.superDigest'] = digestOf(superUser)
  Object.assign(all, properties)
  return [
    `-Xmx${heapMegabytes}m`,
    '-XX:+UseSerialGC',
    // Servers of tests live for seconds: what starts soonest is fastest.
    '-XX:TieredStopAtLevel=1',
    '-Xshare:auto',
    ...Object.entries(all).map(([name, value]) => `-D${name}=${value}`),
    '-cp',
    `${JARS}/zookeeper.jar:${JARS}/slf4j-simple.jar`,
  ]
}

function linesOf(config: Readonly<Record<string, string>>): string {
  return Object.entries(config)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** True when every thread of a process was stopped, or there is none. */
async function standsStill(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  const states = await Promise.all(
    threads.map(async (thread) => {
      const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8').catch(() => '')
      return stat.charAt(stat.lastIndexOf(')') + 2)
    }),
  )
  return states.every((state) => state === 'T' || state === '' || state === 'Z')
}
