// SPDX-License-Identifier: MIT
// One exhaustive search of a model: spin makes a program of it, gcc compiles that, and it visits every state that can be reached.
import { spawn } from 'node:child_process'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

/** What is looked for: a claim that fails or an end in which somebody waits; a run without end; or a run that breaks a formula of the model. */
export type Search = 'safety' | 'endless-run' | { readonly formula: string }

export interface Check {
  /** The path of the model. */
  readonly model: string
  /** Sizes, and what is broken: `NAME` or `NAME=VALUE`. */
  readonly defines: readonly string[]
  readonly search: Search
  /** Larger searches are worth a compiler that takes its time. */
  readonly large?: boolean
  /** Also says how it came to a violation, step by step. */
  readonly explain?: boolean
}

export interface Result {
  /** In spin's words; null when every state is as it should be. */
  readonly violation: string | null
  /** False when memory or depth did not suffice: then nothing is proved. */
  readonly complete: boolean
  readonly states: number
  readonly depth: number
  readonly megabytes: number
  readonly seconds: number
  /** The steps to the violation, if asked for. */
  readonly trail: string
}

const MOST_MEGABYTES = 1_900
const SMALL_DEPTH = 100_000
const LARGE_DEPTH = 1_000_000
const PATIENCE_MS = 60_000
const LARGE_PATIENCE_MS = 3_600_000

/** Runs one search in a folder of its own. Rejects when a program is missing, fails or takes too long. */
export async function check({ model, defines, search, large = false, explain = false }: Check): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-model-'))
  try {
    const name = basename(model)
    const flags = defines.map((define) => `-D${define}`)
    await copyFile(model, join(folder, name))
    await run(folder, 'spin', [...flags, '-a', name], PATIENCE_MS)
    const kind = search === 'safety' ? ['-DSAFETY'] : search === 'endless-run' ? ['-DNP'] : ['-DNFAIR=3']
    const store = [...(large ? ['-DCOLLAPSE'] : []), `-DMEMLIM=${MOST_MEGABYTES}`]
    await run(folder, 'gcc', ['-w', large ? '-O2' : '-O0', ...kind, ...store, '-o', 'pan', 'pan.c'], PATIENCE_MS * 5)
    const how = search === 'safety' ? [] : search === 'endless-run' ? ['-l'] : ['-a', '-f', '-N', search.formula]
    const since = performance.now()
    const depth = large || search !== 'safety' ? LARGE_DEPTH : SMALL_DEPTH
    const printed = await run(
      folder,
      'nice',
      ['./pan', `-m${depth}`, `-w${large ? 24 : 20}`, ...how],
      large ? LARGE_PATIENCE_MS : PATIENCE_MS,
    )
    const seconds = (performance.now() - since) / 1_000
    const violation = /^pan:\d+: (.*?)(?: \(at depth \d+\))?$/m.exec(printed)?.[1] ?? null
    const trail = explain && violation !== null ? await run(folder, 'spin', [...flags, '-t', '-p', '-g', name], PATIENCE_MS) : ''
    return {
      violation,
      complete: violation === null && /errors: 0/.test(printed) && !/not completed|too small/.test(printed),
      states: figure(printed, /([\d.e+]+) states, stored/),
      depth: figure(printed, /depth reached (\d+)/),
      megabytes: figure(printed, /([\d.]+)\s+total actual memory usage/),
      seconds,
      trail,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function figure(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? Number.NaN)
}

/** Resolves with what the program prints. A search that finds something ends with another code than 0: what counts is that it came to its summary. */
function run(cwd: string, command: string, args: readonly string[], patienceMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], timeout: patienceMs, killSignal: 'SIGKILL' })
    const stop = (): void => {
      child.kill('SIGKILL')
    }
    process.once('exit', stop)
    let printed = ''
    child.stdout.on('data', (bytes) => {
      printed += bytes
    })
    child.stderr.on('data', (bytes) => {
      printed += bytes
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      process.off('exit', stop)
      const done = command === 'nice' ? /errors: \d+/.test(printed) : code === 0
      if (done) resolve(printed)
      else reject(new Error(`${command} ${args.join(' ')} ended with ${signal ?? code}:\n${printed.slice(-2_000)}`))
    })
  })
}
