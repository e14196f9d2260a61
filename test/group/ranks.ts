// SPDX-License-Identifier: MIT
// Groups of ranks that are clients of the conformance suite: started by each of the launchers, told what to do over a Unix socket.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import type { GroupBackendOptions } from '../../src/backends/group/index.ts'
import { AgentClient } from '../../src/conformance/agent-client.ts'
import type { Arena, Client } from '../../src/conformance/client.ts'
import { type FromAgent, Wire } from '../../src/conformance/wire.ts'
import type { Introduction, ToRank } from '../programs/conformance-group.ts'
import { Frames, frame } from '../programs/group-frames.ts'
import { type Launcher, launch } from './launchers.ts'

const PROGRAM = new URL('../../build/test/programs/conformance-group.js', import.meta.url)
const START_WITHIN_MS = 20_000
const CLOSE_WITHIN_MS = 5_000
/** Stays until the others have gone: it is the home, and ends with nobody's help. */
const HOME = 0

/** A rank that does what it is told. */
interface Rank extends Introduction {
  readonly wire: Wire
  tell(message: ToRank): void
  readonly gone: Promise<void>
}

/** One group at a time, started anew when one of its ranks has died. */
export class Ranks {
  private readonly launcher: Launcher
  private readonly size: number
  private readonly mortal: boolean
  private running: Running | null = null

  /** @param mortal clients can be killed and stopped. */
  constructor(launcher: Launcher, size: number, mortal: boolean) {
    this.launcher = launcher
    this.size = size
    this.mortal = mortal
  }

  /** A lock space that all ranks have opened. The ranks are handed out one after the other, from `first` on. */
  async arena(options: GroupBackendOptions, first: number): Promise<Arena> {
    if (this.running?.isWhole !== true) {
      await this.running?.stop()
      this.running = null
      this.running = await Running.start(this.launcher, this.size)
    }
    const { ranks } = this.running
    const facts = await Promise.all(ranks.map(({ wire }) => wire.open('', options)))
    const clients = ranks.map((rank, i) => this.clientOf(rank, new AgentClient(rank.wire, facts[i]!)))
    let given = first
    return {
      client: () => {
        const client = clients[given++ % clients.length]
        return client === undefined ? Promise.reject(new Error('There are no more ranks.')) : Promise.resolve(client)
      },
      async close() {
        await Promise.all(clients.map((client, i) => closed(ranks[i]!, client)))
      },
    }
  }

  async stop(): Promise<void> {
    await this.running?.stop()
    this.running = null
  }

  private clientOf(rank: Rank, agent: AgentClient): Client {
    if (!this.mortal) return agent
    if (this.launcher === 'threads') {
      const kill = async (): Promise<void> => {
        rank.tell({ exit: 1 })
        await rank.gone
      }
      return Object.assign(agent, { kill })
    }
    // Numbers of processes mean something among the ranks, and not always here.
    const signal = (signal: NodeJS.Signals): void => this.running!.ranks[HOME]!.tell({ signal, pid: rank.pid })
    const kill = async (): Promise<void> => {
      signal('SIGKILL')
      await rank.gone
    }
    return Object.assign(agent, { kill, stop: () => signal('SIGSTOP'), resume: () => signal('SIGCONT') })
  }
}

/** A group that runs. */
class Running {
  readonly ranks: readonly Rank[]
  isWhole = true
  private readonly end: () => Promise<void>

  static async start(launcher: Launcher, size: number): Promise<Running> {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-ranks-'))
    const path = join(folder, 'socket')
    const abort = new AbortController()
    const server = createServer()
    const here = arrivals(server, size)
    await new Promise<void>((resolve) => server.listen(path, resolve))
    let failure: unknown = null
    const ended = launch(launcher, size, PROGRAM, [path], abort.signal).catch((error: unknown) => {
      failure = error
    })
    const end = async (): Promise<void> => {
      abort.abort()
      await ended
      server.close()
      rmSync(folder, { recursive: true, force: true })
    }
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, START_WITHIN_MS, 'late')
    })
    const ranks = await Promise.race([here, late, ended])
    clearTimeout(timer)
    if (Array.isArray(ranks)) return new Running(ranks, end)
    await end()
    throw new Error(`The ${size} ranks did not all start.`, { cause: failure })
  }

  private constructor(ranks: readonly Rank[], end: () => Promise<void>) {
    this.ranks = ranks
    this.end = end
    for (const { gone } of ranks) {
      void gone.then(() => {
        this.isWhole = false
      })
    }
  }

  stop(): Promise<void> {
    return this.end()
  }
}

/** All ranks, in their order, when each has said who it is. */
function arrivals(server: Server, size: number): Promise<Rank[]> {
  return new Promise((resolve) => {
    const ranks: Rank[] = []
    let there = 0
    server.on('connection', (socket) => {
      void welcome(socket).then((rank) => {
        ranks[rank.rank] = rank
        if (++there === size) resolve(ranks)
      })
    })
  })
}

function welcome(socket: Socket): Promise<Rank> {
  return new Promise((resolve) => {
    const tell = (message: ToRank): void => void socket.write(frame(serialize(message)))
    const wire = new Wire({ post: tell, keepAlive: () => {}, kill: () => Promise.resolve() })
    const gone = new Promise<void>((ended) => socket.on('close', ended))
    void gone.then(() => wire.gone('its rank has ended'))
    socket.on('error', () => {})
    let introduced = false
    const frames = new Frames((bytes) => {
      const message = deserialize(bytes) as FromAgent | Introduction
      if (introduced) wire.receive(message as FromAgent)
      else resolve({ ...(message as Introduction), wire, tell, gone })
      introduced = true
    })
    socket.on('data', (chunk) => frames.push(chunk))
  })
}

/** Closes what is left of a client: also one that was stopped. */
async function closed({ wire }: Rank, client: Client): Promise<void> {
  if (!wire.alive) return
  client.resume?.()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('A client does not close.')), CLOSE_WITHIN_MS)
  })
  try {
    await Promise.race([client.close({ timeout: 0 }), late])
  } finally {
    clearTimeout(timer)
  }
}
