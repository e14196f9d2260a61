// SPDX-License-Identifier: MIT
// The worker processes of one phase: started together, told what to do, listened to, and all gone at the end, whatever happens.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Assignment, now, type Order, Recording, type Role, type WorkerRecord } from './records.ts'

export interface Member {
  /** As people read it: `reader 2`. */
  readonly name: string
  readonly role: Role
  /** From 1, among those of its role. */
  readonly number: number
}

interface Worker extends Member {
  readonly child: ChildProcess
  /** Resolves when the process is gone and its last record has arrived. */
  readonly gone: Promise<void>
  ready: boolean
  left: boolean
  over: boolean
  killed: boolean
}

interface Watcher {
  readonly happened: () => boolean
  readonly resolve: () => void
}

export class Crew {
  readonly recording: Recording = new Recording()
  /** What went wrong in the processes, one line each. */
  readonly failures: string[] = []
  private readonly workers: readonly Worker[]
  private readonly watchers = new Set<Watcher>()
  private readonly faltered = new Set<string>()

  constructor(members: readonly Member[], assignment: Omit<Assignment, 'role' | 'number'>) {
    this.workers = members.map(({ name, role, number }) => this.hire({ name, role, number }, { ...assignment, role, number }))
  }

  get ready(): boolean {
    return this.workers.every((worker) => worker.ready)
  }

  tell(order: Order, name?: string): void {
    for (const worker of this.workers) {
      // The callback takes the error of a worker that is going just now: nobody else has to hear of it.
      if ((name === undefined || worker.name === name) && worker.child.connected) worker.child.send(order, () => undefined)
    }
  }

  /** True when a worker that was told to falter has done so. */
  hasFaltered(name: string): boolean {
    return this.faltered.has(name)
  }

  /** SIGKILL, to one or to all. Answers when. */
  kill(name?: string): number {
    const at = now()
    for (const worker of this.workers) {
      if (worker.over || (name !== undefined && worker.name !== name)) continue
      worker.killed = true
      worker.child.kill('SIGKILL')
      const span = this.recording.latest(worker.name)
      if (span !== undefined && span.ended === null) Object.assign(span, { ended: at, outcome: 'killed' })
    }
    return at
  }

  /** Looks again after each record and each end of a process: true as soon as it has happened, false after so many milliseconds. */
  until(happened: () => boolean, patienceMs: number): Promise<boolean> {
    if (happened()) return Promise.resolve(true)
    return new Promise((resolve) => {
      const watcher: Watcher = { happened, resolve: () => settle(true) }
      const timer = setTimeout(() => settle(false), patienceMs)
      const settle = (answer: boolean): void => {
        clearTimeout(timer)
        this.watchers.delete(watcher)
        resolve(answer)
      }
      this.watchers.add(watcher)
    })
  }

  /** Asks all to finish what they do and to go. Answers the names of those who were still there after so many milliseconds. */
  async stop(patienceMs: number): Promise<readonly string[]> {
    this.tell('stop')
    await this.until(() => this.workers.every((worker) => worker.left || worker.over), patienceMs)
    const stuck = this.workers.filter((worker) => !worker.left && !worker.over)
    await this.dismiss()
    return stuck.map((worker) => worker.name)
  }

  /** All are gone when it resolves. */
  async dismiss(): Promise<void> {
    for (const worker of this.workers) if (!worker.left) this.kill(worker.name)
    await Promise.all(this.workers.map((worker) => worker.gone))
  }

  private hire(member: Member, assignment: Assignment): Worker {
    const program = fileURLToPath(new URL('worker.js', import.meta.url))
    // What the HDF5 library has to say about a file that others tear is a page for each error.
    const stderr = assignment.lockUrl === null ? 'ignore' : 'inherit'
    const child = fork(program, [JSON.stringify(assignment)], { stdio: ['ignore', 'ignore', stderr, 'ipc'] })
    const gone = Promise.all(
      ['exit', 'disconnect'].map((event) => new Promise<void>((resolve) => child.once(event, () => resolve()))),
    ).then(() => undefined)
    const worker: Worker = { ...member, child, gone, ready: false, left: false, over: false, killed: false }
    child.on('message', (record: WorkerRecord) => this.hear(worker, record))
    child.on('error', (error) => this.failures.push(`${member.name}: ${error.message}`))
    child.on('exit', (code, signal) => {
      worker.over = true
      if (code !== 0 && !worker.killed) this.failures.push(`${member.name} ended with ${signal ?? `exit code ${code}`}`)
      this.lookAgain()
    })
    return worker
  }

  private hear(worker: Worker, record: WorkerRecord): void {
    if (record.event === 'ready') worker.ready = true
    else if (record.event === 'left') worker.left = true
    else if (record.event === 'halfway') this.faltered.add(worker.name)
    else if (record.event === 'failed') this.failures.push(`${worker.name}: ${record.message}`)
    else this.recording.add(worker.name, worker.role, record)
    this.lookAgain()
  }

  private lookAgain(): void {
    for (const watcher of [...this.watchers]) if (watcher.happened()) watcher.resolve()
  }
}
