// SPDX-License-Identifier: MIT
// Stopping a command together with everything that it started.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'

/** A command and its kin. */
export interface Kin {
  /** Sends a signal to all of them. Those that are gone already do not matter. */
  send(signal: NodeJS.Signals): void
  /** True while one of them runs. */
  alive(): boolean
}

const FIRST_LOOK_MS = 5
const SLOWEST_LOOK_MS = 200
/** How long to wait for the kernel to clear away what was killed. */
const BURIAL_MS = 2_000

/**
 * SIGTERM, and SIGKILL to what is left after the grace. The kernel does not tell when a group is empty, so this looks from time to time.
 *
 * @returns true when SIGTERM was enough.
 */
export async function stop(kin: Kin, graceMs: number): Promise<boolean> {
  if (graceMs > 0) {
    kin.send('SIGTERM')
    // What is stopped (^Z) cannot end before it goes on.
    kin.send('SIGCONT')
    if (await gone(kin, graceMs)) return true
  }
  kin.send('SIGKILL')
  await gone(kin, BURIAL_MS)
  return false
}

async function gone(kin: Kin, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs
  for (let pauseMs = FIRST_LOOK_MS; kin.alive(); pauseMs = Math.min(2 * pauseMs, SLOWEST_LOOK_MS)) {
    const leftMs = deadline - performance.now()
    if (leftMs <= 0) return false
    await after(Math.min(pauseMs, leftMs))
  }
  return true
}

/** The process group that `leader` leads, whoever of it is left. */
export function groupOf(leader: number): Kin {
  return {
    send: (signal) => void sent(-leader, signal),
    alive() {
      // The kernel counts zombies in, which an idle init may leave about.
      if (!sent(-leader, 0)) return false
      const running = runningProcesses()
      return running === null || [...running.values()].some(({ group }) => group === leader)
    },
  }
}

/** One process alone. */
export function single(pid: number): Kin {
  return { send: (signal) => void sent(pid, signal), alive: () => sent(pid, 0) }
}

/**
 * A process and all that descend from it, for a command that shares its group with others. Descendants are known from the moment that they
 * are first seen, so that they are not forgotten when their parent ends; one whose parent ended before was never a descendant here.
 */
export function descentOf(pid: number): Kin {
  const known = new Map<number, string>()
  const look = (): readonly number[] => {
    const running = runningProcesses()
    if (running === null) return sent(pid, 0) ? [pid] : []
    for (const [id, { started }] of running) if (id === pid && !known.has(id)) known.set(id, started)
    for (let before = -1; known.size !== before; ) {
      before = known.size
      for (const [id, { parent, started }] of running) if (known.has(parent) && !known.has(id)) known.set(id, started)
    }
    return [...known].filter(([id, started]) => running.get(id)?.started === started).map(([id]) => id)
  }
  return {
    send(signal) {
      for (const id of look()) sent(id, signal)
    },
    alive: () => look().length > 0,
  }
}

interface Running {
  readonly parent: number
  readonly group: number
  /** In clock ticks since the boot: with the pid, it tells a process from a later one of the same number. */
  readonly started: string
}

/** Null where there is no /proc. Zombies do not run. */
function runningProcesses(): ReadonlyMap<number, Running> | null {
  const running = new Map<number, Running>()
  let names: string[]
  try {
    names = readdirSync('/proc')
  } catch {
    return null
  }
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue
    try {
      // pid (command, which may hold anything) state ppid pgrp …, and starttime is the 22nd field
      const text = readFileSync(`/proc/${name}/stat`, 'utf8')
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
      if (fields[0] !== 'Z' && fields[0] !== 'X')
        running.set(Number(name), { parent: Number(fields[1]), group: Number(fields[2]), started: fields[19]! })
    } catch {
      // It ended meanwhile.
    }
  }
  return running.size === 0 ? null : running
}

/** False when there is nobody to send to. */
function sent(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    // EPERM: it runs, as somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
