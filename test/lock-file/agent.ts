// SPDX-License-Identifier: MIT
// Processes of test/programs/lock-file-agent.ts, and what the kernel says of waits.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { onTestFinished } from 'vitest'

const PROGRAM = new URL('../../build/test/programs/lock-file-agent.js', import.meta.url).pathname
/** No answer takes longer than this. */
const ANSWER_MS = 15_000

interface AgentOptions {
  readonly worker?: boolean
  readonly uid?: number
  /** A command that runs the program. It must exec, not fork. */
  readonly through?: readonly string[]
}

export class Agent {
  private readonly child: ChildProcess
  private readonly said: string[] = []
  private hear: (() => void) | null = null

  static async start(options: AgentOptions = {}): Promise<Agent> {
    const agent = new Agent(options)
    await agent.says('ready')
    return agent
  }

  private constructor({ worker = false, uid, through = [] }: AgentOptions) {
    const [program, ...words] = [...through, process.execPath, PROGRAM, ...(worker ? ['worker'] : [])]
    this.child = spawn(program!, words, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      ...(uid === undefined ? {} : { uid, gid: uid, cwd: '/' }),
    })
    this.child.on('message', (what: string) => {
      this.said.push(what)
      this.hear?.()
    })
    onTestFinished(() => void this.child.kill('SIGKILL'))
  }

  get pid(): number {
    return this.child.pid!
  }

  tell(what: 'read' | 'write' | 'release' | 'terminate' | 'blind', path = ''): void {
    this.child.send({ do: what, path })
  }

  /** The next thing that it says; it must be this. */
  async says(what: string | RegExp): Promise<void> {
    const end = performance.now() + ANSWER_MS
    while (this.said.length === 0) {
      const left = end - performance.now()
      if (left <= 0) throw new Error(`It never said ${what}.`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.hear = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    const said = this.said.shift()!
    if (typeof what === 'string' ? said !== what : !what.test(said)) throw new Error(`It said ${said}, and not ${what}.`)
  }

  async kill(): Promise<void> {
    const ended = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await ended
  }
}

/** Requests that wait in the kernel for a lock on this file, of whatever process. */
export function blockedOn(path: string): number {
  const { ino } = statSync(path)
  const lines = readFileSync('/proc/locks', 'utf8').split('\n')
  return lines.filter((line) => line.includes('->') && line.includes(`:${ino} `)).length
}

/** Processes that have the file open. */
export function openersOf(path: string): number[] {
  const { dev, ino } = statSync(path)
  const isIt = (link: string): boolean => {
    const found = statSync(link, { throwIfNoEntry: false })
    return found?.dev === dev && found.ino === ino
  }
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return Number.isInteger(pid) && readdirSync(`/proc/${pid}/fd`).some((fd) => isIt(`/proc/${pid}/fd/${fd}`))
      } catch {
        return false
      }
    })
}

/** Helpers that this process, or another one, has started and that live. */
export function helpersOf(parent: number = process.pid): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        if (!Number.isInteger(pid)) return false
        const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
        const [state, ppid] = text.slice(text.lastIndexOf(')') + 2).split(' ')
        return Number(ppid) === parent && state !== 'Z' && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('helper-program')
      } catch {
        return false
      }
    })
}

/** Clock ticks (hundredths of a second, mostly) that a process has worked. */
export function ticksOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}
