// SPDX-License-Identifier: MIT
// Wakes a rank of the same machine that has stopped looking for messages: each has a pipe, which the others open through /proc and write a byte to.
import { closeSync, constants, openSync, readFileSync, readlinkSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { openPipe } from '../../native/pipe.ts'

const RING: Uint8Array = Uint8Array.of(1)
/** The place of a bell that nobody finds: /proc cannot be read. */
const NOWHERE = ''

export class Doorbell {
  private readonly pipe = openPipe()
  private readonly socket: Socket
  /** By rank, the bell of each that can be rung. */
  private bells: readonly (number | null)[] = []

  /** `rung` is called when somebody has rung, once for many. */
  constructor(rung: () => void) {
    const buffer = new Uint8Array(64)
    const callback = (): boolean => {
      rung()
      return true
    }
    const onread = { buffer, callback }
    this.socket = new Socket({ fd: this.pipe.readEnd, readable: true, writable: false, onread } as ConstructorParameters<typeof Socket>[0])
    // Without bells there are still timers.
    this.socket.on('error', () => {})
    this.socket.unref()
  }

  /** Where others of the same machine find it: a link, what it leads to, and which boot of which machine these belong to. */
  get place(): string {
    try {
      return `${machine()} /proc/${process.pid}/fd/${this.pipe.writeEnd} ${readlinkSync(`/proc/self/fd/${this.pipe.writeEnd}`)}`
    } catch {
      return NOWHERE
    }
  }

  /** Takes the places of all ranks. Whether each of them can be rung. */
  connect(places: readonly string[]): boolean {
    this.bells = places.map(openBell)
    return !this.bells.includes(null)
  }

  /** Does nothing for one that cannot be rung. */
  ring(rank: number): void {
    const bell = this.bells[rank]
    if (bell === null || bell === undefined) return
    try {
      writeSync(bell, RING)
    } catch {
      // Full: it has been rung more often than anybody could hear. Broken: nobody is there any more.
    }
  }

  ref(): void {
    this.socket.ref()
  }

  unref(): void {
    this.socket.unref()
  }

  close(): void {
    for (const bell of this.bells) if (bell !== null) closeSync(bell)
    this.bells = []
    this.socket.destroy()
    closeSync(this.pipe.writeEnd)
  }
}

function machine(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
}

function openBell(place: string): number | null {
  const [where, link, pipe] = place.split(' ') as [string, string, string]
  if (place === NOWHERE) return null
  try {
    if (where !== machine()) return null
    // In another container the same number may be another process.
    return readlinkSync(link) === pipe ? openSync(link, constants.O_WRONLY | constants.O_NONBLOCK) : null
  } catch {
    return null
  }
}
