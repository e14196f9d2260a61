// SPDX-License-Identifier: MIT
// Requests of one process in line for one path. The line stands still between the slices of time in which it is measured.
import type { Lease, LockSpace } from 'holdfast'

export class Line {
  private readonly space: LockSpace
  private readonly path: string
  private left = 0
  private held: Lease | null = null
  private stopped: () => void = () => {}
  private failed: (error: unknown) => void = () => {}

  /** Resolves when one has the lock, and all others have their place in the line. */
  static async form(space: LockSpace, path: string, length: number): Promise<Line> {
    const line = new Line(space, path)
    await line.whenStopped(() => {
      for (let i = 0; i < length; i++) line.join()
    })
    // Answers come in the order of the questions.
    await (await space.write('/free')).release()
    return line
  }

  private constructor(space: LockSpace, path: string) {
    this.space = space
    this.path = path
  }

  /** So many times: who has the lock lets go, who is next gets it, and who let go gets in line again. */
  turns(times: number): Promise<void> {
    const lease = this.held!
    this.held = null
    this.left = times
    return this.whenStopped(() => this.pass(lease))
  }

  private join(): void {
    this.space.write(this.path).then(
      (lease) => {
        if (this.left > 0) return this.pass(lease)
        this.held = lease
        this.stopped()
      },
      // At the end those in line are sent home, which nobody listens to.
      (error: unknown) => this.failed(error),
    )
  }

  private pass(lease: Lease): void {
    this.left--
    void lease.release()
    this.join()
  }

  private whenStopped(start: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.stopped = resolve
      this.failed = reject
      start()
    })
  }
}

/** Does it while warnings about long waits are not printed: they are what is wanted of those who wait. */
export async function unwarned<Result>(work: () => Promise<Result>): Promise<Result> {
  const printing = process.listeners('warning')
  process.removeAllListeners('warning')
  try {
    return await work()
  } finally {
    for (const print of printing) process.on('warning', print)
  }
}
