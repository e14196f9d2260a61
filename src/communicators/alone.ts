// SPDX-License-Identifier: MIT
// A group of one: what a program is that nobody started as a rank.
import { randomUUID } from 'node:crypto'
import { LockError } from '../core/errors.ts'
import { Channels, hasLeft } from './channels.ts'
import type { Channel, ChannelListener, Communicator } from './communicator.ts'
import { Loopback } from './loopback.ts'

/** A group with one rank, which needs nothing. */
export function aloneCommunicator(): Communicator {
  return new Alone()
}

class Alone implements Communicator {
  readonly transport = 'alone'
  readonly rank = 0
  readonly size = 1
  readonly id: string = randomUUID()
  readonly survivesDeaths = true
  private readonly loopback = new Loopback((channel, bytes) => this.channels.received(0, channel, bytes))
  private readonly channels = new Channels((to, channel, bytes) => {
    if (to === 0) this.loopback.send(channel, bytes)
  })
  private hasLeft = false

  openChannel(listener: ChannelListener): Channel {
    if (this.hasLeft) throw hasLeft()
    return this.channels.open(listener)
  }

  keepAlive(): () => void {
    // Its own promises settle by themselves: there is nobody else to wait for.
    return () => {}
  }

  leave(): Promise<void> {
    this.hasLeft = true
    return Promise.resolve()
  }

  abort(why: string): void {
    queueMicrotask(() => this.channels.end(new LockError('LOCK_UNAVAILABLE', `The group was aborted: ${why}`)))
  }
}
