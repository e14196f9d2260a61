// SPDX-License-Identifier: MIT
// Runs the built command line, and waits for what it says.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { connect } from '../../src/config/url.ts'
import type { LockSpace } from '../../src/lock-space.ts'

export const MAIN: string = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface Result {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

/** A program under way, with a pipe at each standard stream. */
export class Program {
  readonly child: ChildProcess
  readonly ended: Promise<Result>
  private readonly text = { stdout: '', stderr: '' }
  private readonly readers = new Set<() => void>()

  constructor(file: string, words: readonly string[], { env, cwd }: StartOptions = {}) {
    const { HOLDFAST_URL: _url, HOLDFAST_CONFIG: _config, HOLDFAST_DEBUG: _debug, NO_COLOR: _colour, ...rest } = process.env
    const child = spawn(file, words, { env: { ...rest, ...env }, cwd })
    this.child = child
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        this.text[name] += chunk
        for (const read of this.readers) read()
      })
    }
    child.stdin.on('error', () => undefined)
    this.ended = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, ...this.text })))
    onTestFinished(() => void child.kill('SIGKILL'))
  }

  /** The first match in what it has written, now or later. */
  async says(pattern: RegExp, where: 'stdout' | 'stderr' = 'stdout'): Promise<RegExpExecArray> {
    const found = new Promise<RegExpExecArray>((resolve) => {
      const read = (): void => {
        const match = pattern.exec(this.text[where])
        if (match !== null) resolve(match)
      }
      this.readers.add(read)
      read()
    })
    const early = this.ended.then(({ code, stdout, stderr }) => {
      throw new Error(`It ended with ${code} before it said ${pattern}: ${stdout}${stderr}`)
    })
    early.catch(() => undefined)
    return await Promise.race([found, early])
  }

  /** Ends the input, on which the commands of these tests wait. */
  async finish(): Promise<Result> {
    this.child.stdin?.end()
    return await this.ended
  }
}

/** `holdfast` with these words, under way. */
export function start(words: readonly string[], options?: StartOptions): Program {
  return new Program(process.execPath, [MAIN, ...words], options)
}

/** `holdfast` with these words and no input, to its end. */
export async function holdfast(words: readonly string[], options?: StartOptions): Promise<Result> {
  return await start(words, options).finish()
}

/** A command that says `ready` with its pid, and ends when its input does. */
export const UNTIL_TOLD: readonly string[] = ['sh', '-c', 'echo "ready $$"; read line']

export interface Place {
  /** A directory that is not there yet. */
  readonly directory: string
  readonly url: string
  /** The same locks, seen from this process. */
  readonly locks: () => Promise<LockSpace>
}

/** A lock directory for one test. */
export function place(): Place {
  const parent = mkdtempSync(join(tmpdir(), 'holdfast-cli-'))
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }))
  const directory = join(parent, 'locks')
  const url = `file:${directory}`
  return { directory, url, locks: () => connect(url) }
}

/** A zombie does not run. */
export function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
