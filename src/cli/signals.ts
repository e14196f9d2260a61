// SPDX-License-Identifier: MIT
// Signals to the supervisor. While it waits for the lock they end the wait; while the command runs they are the command's.
import { constants } from 'node:os'
import { EXIT } from './exit-codes.ts'

/** SIGUSR1 is among them also because Node would open its debugger otherwise. */
const PASSED_ON: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']
/** The terminal sends these to everybody in its foreground: the command has them already. */
const FROM_TERMINAL: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT']

export class Signals {
  /** Aborts when the first signal arrives. */
  readonly interrupted: AbortSignal
  /** The first signal that arrived. */
  first: NodeJS.Signals | null = null
  private readonly terminal: boolean
  private deliver: ((signal: NodeJS.Signals) => void) | null = null

  /** @param terminal the command shares the foreground of a terminal with the supervisor. */
  constructor(terminal: boolean) {
    this.terminal = terminal
    const interruption = new AbortController()
    this.interrupted = interruption.signal
    for (const signal of PASSED_ON) {
      process.on(signal, () => {
        this.first ??= signal
        if (this.deliver !== null && !(terminal && FROM_TERMINAL.includes(signal))) this.deliver(signal)
        interruption.abort(new Error(`interrupted by ${signal}`))
      })
    }
  }

  /** From here on signals go there. */
  deliverTo(deliver: (signal: NodeJS.Signals) => void): void {
    this.deliver = deliver
  }

  /**
   * The exit code after a signal, as a shell gives it. At a terminal, what ended the command by ^C ends the supervisor in the same way, so that
   * the script or loop around them ends too. (Our own ^C may not have been told to us yet.)
   */
  async endedBy(signal: NodeJS.Signals): Promise<number> {
    if (this.terminal && signal === 'SIGINT') {
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
    return EXIT.signalled + constants.signals[signal]
  }
}
