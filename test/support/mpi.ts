// SPDX-License-Identifier: MIT
// Runs a program as ranks under a real MPI launcher, shut off from the rest of the machine: ranks listen on every network interface, share memory under
// names that others may choose too, and leave processes behind when their launcher is killed. Here all of that goes with the test.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { MpiFamily } from '../../src/native/mpi-handles.ts'

export type { MpiFamily }

export const MPI_FAMILIES: readonly MpiFamily[] = ['mpich', 'openmpi']

export interface RanksOptions {
  readonly family: MpiFamily
  readonly ranks: number
  /** A built program: `window-agent` for that of test/programs, or a whole path. */
  readonly program: string
  readonly args?: readonly string[]
  /** Beside those of this process; undefined takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** A command that runs each rank's: `env -u NAME`. */
  readonly through?: readonly string[]
  /** After which all is killed. */
  readonly timeoutMs?: number
}

export interface RanksEnd {
  /** The launcher's; null when it was killed. */
  readonly code: number | null
  readonly timedOut: boolean
  /** Of all ranks and the launcher, as it came. */
  readonly stdout: string
  readonly stderr: string
}

export interface Ranks {
  /** Resolves when all have ended, however they did. */
  readonly ended: Promise<RanksEnd>
  /** Resolves with the first match in what was printed so far and will be; rejects when all have ended without one. */
  printed(what: RegExp): Promise<RegExpMatchArray>
  /** SIGKILL for the launcher and all ranks. Idempotent; resolves when they are gone. */
  kill(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const LAUNCHERS: Readonly<Record<MpiFamily, readonly string[]>> = {
  mpich: ['mpiexec.mpich'],
  // More ranks than processors, as root, free to move; what it keeps in files goes where nobody else is.
  openmpi: ['mpiexec.openmpi', '--allow-run-as-root', '--oversubscribe', '--bind-to', 'none', '--mca', 'orte_tmpdir_base', '/dev/shm'],
}

/** In namespaces of its own, whose first process takes all others with it when it ends: a loopback interface, and nothing in /dev/shm. */
const STAGE = 'mount -t tmpfs -o mode=1777 holdfast-test /dev/shm && ip link set lo up && "$@"'

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts the ranks. To be killed, or awaited, by whoever starts them; they are killed when this process dies, too. */
export function startRanks({ family, ranks, program, args = [], env = {}, through = [], timeoutMs = 60_000 }: RanksOptions): Ranks {
  const path = program.includes('/') ? program : new URL(`../../build/test/programs/${program}.js`, import.meta.url).pathname
  const rank = [...through, process.execPath, path, ...args]
  const launcher = [...LAUNCHERS[family], '-n', `${ranks}`, ...rank]
  const unshare = ['unshare', ...(process.getuid?.() === 0 ? [] : ['-r']), '-n', '-i', '--pid', '--mount-proc', '--kill-child=KILL']
  const command = ['--pdeathsig', 'KILL', ...unshare, 'sh', '-c', STAGE, 'sh', ...launcher]
  const child = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1', ...env } })
  running.add(child)
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    child.kill('SIGKILL')
  }, timeoutMs)
  const printed = { stdout: '', stderr: '' }
  const listeners = new Set<() => void>()
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]!.setEncoding('utf8').on('data', (text: string) => {
      // Open MPI gives its ranks a terminal.
      printed[stream] += text.replaceAll('\r', '')
      for (const listener of listeners) listener()
    })
  }
  const ended = once(child, 'close').then(([code]): RanksEnd => {
    clearTimeout(timer)
    running.delete(child)
    return { code: code as number | null, timedOut, ...printed }
  })
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  return {
    ended,
    printed: (what) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = printed.stdout.match(what) ?? printed.stderr.match(what)
          if (match === null) return
          listeners.delete(look)
          resolve(match)
        }
        listeners.add(look)
        ended.then(() => {
          look()
          reject(new Error(`The ranks have ended, and printed nothing like ${what}:\n${printed.stdout}\n${printed.stderr}`))
        }, reject)
        look()
      }),
    kill,
    [Symbol.asyncDispose]: kill,
  }
}
