// SPDX-License-Identifier: MIT
// Lock spaces on kernel files, other processes that use them, and a folder for both: all gone when the run ends, however it ends.
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LockSpace } from 'holdfast'
import { fileBackend } from 'holdfast/file'
import type { Answer, Order } from './programs/lock-client.ts'

const PROGRAM = fileURLToPath(new URL('./programs/lock-client.js', import.meta.url))
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'ext4',
  16914836: 'tmpfs',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  2035054128: 'overlayfs',
}

const children = new Set<ChildProcess>()
const folders = new Set<string>()
const spaces: LockSpace[] = []

process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

/** A lock space of this process, open until {@link closeAll}. */
export function open(directory: string): LockSpace {
  const space = new LockSpace(fileBackend({ directory }))
  spaces.push(space)
  return space
}

export async function closeAll(): Promise<void> {
  for (const space of spaces.splice(0)) await space.close({ timeout: 0 })
}

/** A new empty folder, removed at the end of the run. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  folders.add(folder)
  return folder
}

export function fileSystemOf(folder: string): string {
  const { type } = statfsSync(folder)
  return FILE_SYSTEMS[type] ?? `0x${type.toString(16)}`
}

export class Client {
  private readonly child: ChildProcess
  private readonly pending = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>()
  private orders = 0

  /** Starts a process that takes locks in this directory. */
  static async start(directory: string): Promise<Client> {
    const child = fork(PROGRAM, [directory], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const client = new Client(child)
    await client.answer(0)
    return client
  }

  private constructor(child: ChildProcess) {
    this.child = child
    children.add(child)
    child.on('message', (answer: Answer) => {
      const { resolve, reject } = this.pending.get(answer.id)!
      this.pending.delete(answer.id)
      if (answer.error === undefined) resolve(answer)
      else reject(new Error(answer.error))
    })
    child.once('exit', () => {
      children.delete(child)
      for (const { reject } of this.pending.values()) reject(new Error('The process ended before it answered.'))
    })
  }

  tell(order: Order): Promise<Answer> {
    const id = ++this.orders
    this.child.send({ id, order })
    return this.answer(id)
  }

  /** SIGKILL, without waiting for the process to be gone. */
  kill(): void {
    this.child.kill('SIGKILL')
  }

  async end(): Promise<void> {
    if (!children.has(this.child)) return
    const gone = new Promise((resolve) => this.child.once('exit', resolve))
    this.kill()
    await gone
  }

  private answer(id: number): Promise<Answer> {
    return new Promise((resolve, reject) => this.pending.set(id, { resolve, reject }))
  }
}

/** Runs `work` with so many processes, and ends them. */
export async function withClients<Result>(
  count: number,
  directory: string,
  work: (clients: readonly Client[]) => Promise<Result>,
): Promise<Result> {
  const clients = await Promise.all(Array.from({ length: count }, () => Client.start(directory)))
  try {
    return await work(clients)
  } finally {
    await Promise.all(clients.map((client) => client.end()))
  }
}
