// SPDX-License-Identifier: MIT
// What one sees while it runs, on stderr: a bar that redraws itself in a terminal, a few plain lines elsewhere.
import type { Recording } from './records.ts'

const REDRAW_EVERY_MS = 100
const BAR_WIDTH = 28

export interface ProgressStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

export class Progress {
  private readonly stream: ProgressStream
  private timer: NodeJS.Timeout | undefined
  private line: () => string = () => ''

  constructor(stream: ProgressStream) {
    this.stream = stream
  }

  begin(title: string, seconds: number, recording: Recording): void {
    const startedAt = Date.now()
    this.line = () => {
      const elapsed = (Date.now() - startedAt) / 1000
      const torn = recording.count('reader', 'torn', 'failed')
      const reads = recording.count('reader', 'whole') + torn
      const counts = `${reads} reads, ${recording.count('writer', 'appended')} appends, ${torn} torn`
      return `${title.padEnd(13)}  ${bar(elapsed / seconds)}  ${elapsed.toFixed(1)} of ${seconds} s  ${counts}`
    }
    if (this.stream.isTTY) this.timer = setInterval(() => this.draw(), REDRAW_EVERY_MS)
    else this.stream.write(`${title}: ${seconds} s\n`)
  }

  /** A line that stays. */
  note(text: string): void {
    this.stream.write(this.stream.isTTY ? `\r\x1b[K${text}\n` : `${text}\n`)
    if (this.timer !== undefined) this.draw()
  }

  end(): void {
    if (this.timer === undefined) return
    clearInterval(this.timer)
    this.timer = undefined
    this.draw()
    this.stream.write('\n')
  }

  private draw(): void {
    this.stream.write(`\r\x1b[K${this.line()}`)
  }
}

function bar(share: number): string {
  const full = Math.round(Math.min(share, 1) * BAR_WIDTH)
  return '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full)
}
