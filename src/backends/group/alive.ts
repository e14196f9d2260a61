// SPDX-License-Identifier: MIT
// The program stays alive while somebody in it waits for an answer, and a moment longer: the next request is often close behind.
import type { Communicator } from '../../communicators/communicator.ts'

const DOZE_AFTER_MS = 20

export class Alive {
  private readonly communicator: Communicator
  private holding = 0
  private letGo: (() => void) | null = null
  private dozing: NodeJS.Timeout | null = null

  constructor(communicator: Communicator) {
    this.communicator = communicator
  }

  hold(): void {
    this.holding++
    this.letGo ??= this.communicator.keepAlive()
  }

  drop(): void {
    this.holding--
    if (this.holding === 0) this.dozing ??= setTimeout(this.doze, DOZE_AFTER_MS).unref()
  }

  private readonly doze = (): void => {
    this.dozing = null
    if (this.holding > 0) return
    this.letGo?.()
    this.letGo = null
  }
}
