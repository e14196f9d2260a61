// SPDX-License-Identifier: MIT
// Processes of test/programs/file-agent.ts, told over IPC what to do. file-folders.ts kills them after each test.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type Holder, type Inspection, isLockError, LockError, type LockErrorCode, type LockRequest } from '../../src/index.ts'

const PROGRAM = new URL('../../build/test/programs/file-agent.js', import.meta.url).pathname
/** No command takes longer than this. */
const ANSWER_MS = 20_000

export interface AgentOptions {
  /** A command that runs the program: `unshare -m`. It must exec, not fork. */
  readonly through?: readonly string[]
  readonly uid?: number
  readonly gid?: number
  readonly env?: Readonly<Record<string, string | undefined>>
}

export interface Told {
  readonly directory?: string | undefined
  readonly prefer?: 'first-come' | 'writers'
  /** Which of several spaces of the process. */
  readonly space?: string
  readonly request?: LockRequest
  readonly timeout?: number
  readonly name?: string
  /** Which of several leases of the process. */
  readonly label?: string
  readonly ms?: number
  readonly count?: number
}

export interface LeaseState {
  readonly state: string
  readonly valid: boolean
  readonly token: string
  /** The code with which its signal fired. */
  readonly lost: string | null
}

interface Reply {
  readonly id: number
  readonly value?: unknown
  readonly error?: { readonly code: string; readonly message: string; readonly holders: readonly Holder[] }
}

const agents = new Set<Agent>()

export class Agent {
  readonly child: ChildProcess
  /** Settles when the process has ended, however it did. */
  readonly ended: Promise<unknown>
  private readonly open = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>()
  private asked = 0

  /** Answers when the process listens. */
  static async start(options: AgentOptions = {}): Promise<Agent> {
    const agent = new Agent(options)
    await agent.expect(0, 'start')
    return agent
  }

  private constructor({ through = [], uid, gid, env }: AgentOptions) {
    const [program, ...rest] = [...through, process.execPath, PROGRAM]
    this.child = spawn(program!, rest, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      ...(uid === undefined ? {} : { uid, gid: gid ?? uid, cwd: '/' }),
      env: { ...process.env, ...env },
    })
    agents.add(this)
    this.child.on('message', (reply: Reply) => this.settle(reply))
    this.child.on('error', () => undefined)
    this.ended = once(this.child, 'exit').then((how) => {
      agents.delete(this)
      for (const { reject } of this.open.values()) reject(new Error(`The process ended: ${how.join(' ')}`))
      return how
    })
  }

  get pid(): number {
    return this.child.pid!
  }

  get lives(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Rejects with a LockError of the same code when the process does. */
  tell<Answer = null>(what: string, told: Told = {}): Promise<Answer> {
    const id = ++this.asked
    const answer = this.expect(id, what)
    this.child.send({ id, do: what, ...told }, () => undefined)
    return answer as Promise<Answer>
  }

  lock(request: LockRequest, told: Told = {}): Promise<LeaseState> {
    return this.tell('lock', { request, ...told })
  }

  try(request: LockRequest, told: Told = {}): Promise<LeaseState | null> {
    return this.tell('try', { request, ...told })
  }

  release(label?: string): Promise<LeaseState | null> {
    return this.tell('release', label === undefined ? {} : { label })
  }

  state(label?: string): Promise<LeaseState> {
    return this.tell('state', label === undefined ? {} : { label })
  }

  inspect(): Promise<Inspection> {
    return this.tell('inspect')
  }

  /** Begins a request and answers when it waits; `granted` settles with it. */
  async wait(request: LockRequest, told: Told = {}): Promise<{ granted: Promise<LeaseState> }> {
    const before = await this.tell<number>('waiting')
    const granted = this.lock(request, told)
    granted.catch(() => undefined)
    await until(async () => (await this.tell<number>('waiting')) > before)
    return { granted }
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }

  private expect(id: number, what: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`The process ${this.pid} did not answer: ${what}`)), ANSWER_MS)
      const settleWith =
        <Value>(settle: (value: Value) => void) =>
        (value: Value): void => {
          clearTimeout(timer)
          this.open.delete(id)
          settle(value)
        }
      this.open.set(id, { resolve: settleWith(resolve), reject: settleWith(reject) })
    })
  }

  private settle({ id, value, error }: Reply): void {
    const one = this.open.get(id)
    if (error === undefined) one?.resolve(value)
    else one?.reject(new LockError(error.code as LockErrorCode, error.message, { holders: error.holders }))
  }
}

/** Starts an agent and opens a directory in it. */
export async function agentIn(directory: string, told: Told = {}, options: AgentOptions = {}): Promise<Agent> {
  const agent = await Agent.start(options)
  await agent.tell('open', { directory, ...told })
  return agent
}

export function agentsIn(directory: string, count: number): Promise<Agent[]> {
  return Promise.all(Array.from({ length: count }, () => agentIn(directory)))
}

/** Asks again and again, for what nothing tells about. */
export async function until(happened: () => boolean | Promise<boolean>, withinMs: number = 5000): Promise<void> {
  const end = performance.now() + withinMs
  while (!(await happened())) {
    if (performance.now() > end) throw new Error(`It did not happen within ${withinMs} ms: ${happened}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The LockError with which something fails; fails itself if it does not. */
export async function failure(work: Promise<unknown> | (() => unknown)): Promise<LockError> {
  try {
    await (typeof work === 'function' ? work() : work)
  } catch (error) {
    if (isLockError(error)) return error
    throw error
  }
  throw new Error('It did not fail.')
}

export async function killAgents(): Promise<void> {
  await Promise.all([...agents].map((agent) => agent.kill()))
}
