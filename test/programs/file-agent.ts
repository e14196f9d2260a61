// SPDX-License-Identifier: MIT
// A process that does with kernel file locks what its parent tells it over IPC: each message names one of the commands below, each is
// answered once. It ends when its parent does. test/support/file-agent.ts is the parent's side.
import { readdirSync } from 'node:fs'
import { isLockError, type Lease, type LockRequest, LockSpace } from 'holdfast'
import { fileBackend } from 'holdfast/file'
import koffi from 'koffi'

interface Command {
  readonly id: number
  readonly do: string
  readonly directory?: string
  readonly prefer?: 'first-come' | 'writers'
  readonly space?: string
  readonly request?: LockRequest
  readonly timeout?: number
  readonly name?: string
  readonly label?: string
  readonly ms?: number
  readonly count?: number
}

interface Entry {
  readonly abort: AbortController
  lease: Lease | null
  lost: string | null
}

const spaces = new Map<string, LockSpace>()
const entries = new Map<string, Entry>()
let streaming = false
let streams: Promise<void>[] = []
let streamed = 0

function space({ space = 'main' }: Command): LockSpace {
  const found = spaces.get(space)
  if (found === undefined) throw new Error(`No space ${space} is open.`)
  return found
}

function entry({ label = 'it' }: Command): Entry {
  const found = entries.get(label)
  if (found === undefined) throw new Error(`No lease ${label}.`)
  return found
}

function describe({ lease, lost }: Entry): object | null {
  if (lease === null) return null
  return { state: lease.state, valid: lease.valid, token: lease.token.toString(), lost }
}

function keep(command: Command, kept: Entry, lease: Lease | null): object | null {
  kept.lease = lease
  lease?.signal.addEventListener('abort', () => {
    kept.lost = (lease.signal.reason as { code?: string }).code ?? String(lease.signal.reason)
  })
  entries.set(command.label ?? 'it', kept)
  return describe(kept)
}

const commands: Record<string, (command: Command) => unknown> = {
  open({ directory, prefer, space = 'main' }) {
    spaces.set(space, new LockSpace(fileBackend({ directory, prefer })))
  },
  async lock(command) {
    const kept: Entry = { abort: new AbortController(), lease: null, lost: null }
    entries.set(command.label ?? 'it', kept)
    const { request = {}, timeout, name } = command
    return keep(command, kept, await space(command).lock(request, { timeout, name, signal: kept.abort.signal }))
  },
  try(command) {
    const { request = {}, name } = command
    return keep(command, { abort: new AbortController(), lease: null, lost: null }, space(command).tryLockSync(request, { name }))
  },
  abort(command) {
    entry(command).abort.abort(new Error('changed my mind'))
  },
  state(command) {
    return describe(entry(command))
  },
  async release(command) {
    await entry(command).lease?.release()
    return describe(entry(command))
  },
  async downgrade(command) {
    await entry(command).lease?.downgrade()
  },
  inspect: (command) => space(command).inspect(),
  waiting: (command) => space(command).waiting,
  async close(command) {
    await space(command).close({ timeout: 0 })
    spaces.delete(command.space ?? 'main')
  },
  /** Readers that overlap, so that there is always one in, until `stop`. */
  stream(command) {
    const { count = 2, ms = 5, request = {} } = command
    streaming = true
    streams = Array.from({ length: count }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, (i * ms) / count))
      while (streaming) {
        const lease = await space(command).lock(request)
        streamed++
        await new Promise((resolve) => setTimeout(resolve, ms))
        await lease.release()
      }
    })
  },
  async stop() {
    streaming = false
    await Promise.all(streams)
    return streamed
  },
  /** Locks and releases so many paths, one after the other. */
  async walk(command) {
    const { count = 0 } = command
    for (let i = 0; i < count; i++) await (await space(command).write(`/walk/${i}`)).release()
  },
  /** Holds as many paths as it can, and answers how many they are and why there are not more. */
  async collect(command) {
    const { count = 0 } = command
    let held = 0
    try {
      for (; held < count; held++) {
        const lease = await space(command).write(`/collect/${held}`)
        keep({ ...command, label: `${command.label ?? 'it'}${held}` }, { abort: new AbortController(), lease: null, lost: null }, lease)
      }
    } catch (error) {
      return { held, error: wire(error) }
    }
    return { held, error: null }
  },
  /** Keeps the event loop busy. */
  busy({ ms = 0 }) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  },
  descriptors: () => readdirSync('/proc/self/fd').length,
  umask({ count = 0 }) {
    process.umask(count)
  },
  /** Takes every inotify instance that the user has left. */
  exhaustInotify() {
    const init = koffi.load(null).func('int inotify_init1(int flags)')
    let taken = 0
    while ((init(0o2000000) as number) >= 0) taken++
    return taken
  },
  /** From now on the parent alone does not keep the process alive. */
  unref() {
    process.channel?.unref()
  },
}

function wire(error: unknown): object {
  const { name, message } = error as Error
  const { code, holders } = isLockError(error) ? error : { code: (error as { code?: string }).code ?? 'NO_LOCK_ERROR', holders: [] }
  return { name, message, code, holders }
}

process.on('message', async (command: Command) => {
  const { id } = command
  try {
    const value = await commands[command.do]!(command)
    process.send?.({ id, value: value ?? null })
  } catch (error) {
    process.send?.({ id, error: wire(error) })
  }
})
process.on('disconnect', () => process.exit())
process.send?.({ id: 0, value: null })
