// SPDX-License-Identifier: MIT
// One request that waits for other processes until the file is locked for it. First it looks whenever somebody closes the file. If the one in the way may let
// go without closing it, a helper waits in the kernel instead.
import type { FlockType } from '../native/flock.ts'
import { type FileEvent, type Watch, watchFile } from './file-watch.ts'
import { Helper } from './helper.ts'
import { OpenFile, type OpenOptions } from './open-file.ts'

/** The kernel tells of a closing a moment before it drops the lock: after an event these are the pauses between looks, in milliseconds. */
const AFTER_EVENT_MS = [0, 1, 2, 5, 10, 50, 200]
/** After those, in case that something was not heard. */
const WATCHED_MS = 1000
/** Where there can be no helper, and nothing may be heard. */
const BLIND_MS = 25
/** A look this near need not be brought forward. */
const SOON_MS = 2
/** Starting a process costs a tenth of a second of work: a wait is not worth it before it has lasted so long. */
const HELPER_AFTER_MS = 50
/** After a helper that failed. */
const NEXT_HELPER_MS = 5000

export interface KernelWaitEvents {
  /** The file is locked, and stands at its path. It is the caller's now. */
  granted(file: OpenFile): void
  /** The file can be used no more. Nothing is left behind. */
  failed(error: unknown): void
}

export class KernelWait {
  private readonly path: string
  private readonly type: FlockType
  private readonly options: OpenOptions
  private readonly events: KernelWaitEvents
  private file: OpenFile | null = null
  private watch: Watch | null = null
  /** `looking`: we try. `delegated`: the helper does, and the locks are not ours to touch. */
  private stage: 'looking' | 'delegated' | 'over' = 'looking'
  private helper: Helper | null = null
  private helperTimer: NodeJS.Timeout | null = null
  private helperFailed = false
  private pause: NodeJS.Timeout | undefined
  private due = 0
  private looks = 0
  private closed: Promise<unknown> = Promise.resolve()

  constructor(path: string, type: FlockType, options: OpenOptions, events: KernelWaitEvents) {
    this.path = path
    this.type = type
    this.options = options
    this.events = events
  }

  start(): void {
    this.attempt(() => this.open())
  }

  /** Gives up. Resolves when nothing is left behind: a helper that is being killed may just have been granted. */
  cancel(): Promise<void> {
    this.stage = 'over'
    return this.close()
  }

  private open(): void {
    this.file = new OpenFile(this.path, this.type, this.options)
    this.watch = watchFile(this.path, (event) => this.attempt(() => this.heard(event)))
    this.looks = 0
    this.look()
  }

  private look(): void {
    if (this.stage !== 'looking' || this.file === null) return
    if (this.file.tryLock()) this.locked()
    else {
      this.lookLater()
      this.considerHelper(this.file)
    }
  }

  private lookLater(): void {
    const last = this.helperFailed ? BLIND_MS : WATCHED_MS
    const pauseMs = AFTER_EVENT_MS[this.looks++] ?? last
    this.due = performance.now() + pauseMs
    clearTimeout(this.pause)
    this.pause = setTimeout(() => this.attempt(() => this.look()), pauseMs)
  }

  private heard(event: FileEvent): void {
    if (event === 'changed') {
      if (this.file?.intact === false) void this.beginAnew()
    } else if (this.stage === 'looking') {
      this.looks = 0
      if (this.due - performance.now() > SOON_MS) this.lookLater()
    }
  }

  /** What we hold is worth something if others find the same file at the path. */
  private locked(): void {
    const { file } = this
    if (file === null || !file.intact) {
      void this.beginAnew()
      return
    }
    this.stage = 'over'
    this.file = null
    void this.close()
    this.events.granted(file)
  }

  /** The file was removed or replaced: what stands at the path now is what counts. */
  private async beginAnew(): Promise<void> {
    const before = this.stage
    if (before === 'over') return
    // Until the helper is gone nobody may look.
    this.stage = 'delegated'
    await this.close()
    if ((this.stage as string) === 'over') return
    this.stage = 'looking'
    this.attempt(() => this.open())
  }

  private considerHelper(file: OpenFile): void {
    const needed = this.watch?.hearsClosing !== true || !file.blockedByOneOfUs
    if (this.helper !== null || needed === (this.helperTimer !== null)) return
    if (needed) this.helperTimer = setTimeout(() => this.startHelper(file), this.helperFailed ? NEXT_HELPER_MS : HELPER_AFTER_MS)
    else this.forgetHelper()
  }

  private startHelper(file: OpenFile): void {
    this.helperTimer = null
    this.helper = new Helper(file.fd, file.type, {
      ready: () => this.attempt(() => this.delegate()),
      granted: () => this.attempt(() => this.locked()),
      failed: () => this.attempt(() => this.takeBack(file)),
    })
  }

  private delegate(): void {
    this.look()
    if (this.stage !== 'looking') return
    this.stage = 'delegated'
    clearTimeout(this.pause)
    this.helper?.go()
  }

  /** The helper is gone, and may have left something locked. */
  private takeBack(file: OpenFile): void {
    this.helper = null
    this.helperFailed = true
    if (this.stage === 'over') return
    if (this.stage === 'delegated') file.unlock()
    this.stage = 'looking'
    this.look()
  }

  private forgetHelper(): void {
    if (this.helperTimer !== null) clearTimeout(this.helperTimer)
    this.helperTimer = null
  }

  /** Ends all that goes on, and closes the file unless somebody has it by now. Resolves when all that was begun before is closed as well. */
  private close(): Promise<void> {
    const { file, helper } = this
    this.file = null
    this.helper = null
    this.watch?.end()
    this.watch = null
    clearTimeout(this.pause)
    this.forgetHelper()
    if (helper === null) file?.release()
    else this.closed = Promise.all([this.closed, helper.stop().then(() => file?.release())])
    return this.closed.then(() => undefined)
  }

  /** Nothing that goes wrong here is thrown into a timer. */
  private attempt(step: () => void): void {
    try {
      step()
    } catch (error) {
      if (this.stage === 'over') return
      this.stage = 'over'
      void this.close().then(() => this.events.failed(error))
    }
  }
}
