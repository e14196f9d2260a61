// SPDX-License-Identifier: MIT
// Runs the scripts of agreement.ts on a real file and real engines.
import { isLockError } from '../core/errors.ts'
import { owner } from '../owner.ts'
import type { Candidate } from './agreed.ts'
import type { AgreedConnection } from './agreed-connection.ts'
import { nowMs } from './agreed-term.ts'
import { type Agreed, comeBack, enter, type Patience, type Step } from './agreement.ts'
import type { AgreementFile } from './agreement-file.ts'
import type { AgreementRecord } from './agreement-record.ts'

/** The users of an engine ask it for its word every other second. */
const STRANGER_MS = 5_000
const ELECTION_SLACK_MS = 1_000

export class Protocol {
  private readonly file: AgreementFile
  private readonly connection: AgreedConnection
  private readonly candidates: readonly Candidate[]
  private readonly patience: Patience

  constructor(file: AgreementFile, connection: AgreedConnection, candidates: readonly Candidate[]) {
    this.file = file
    this.connection = connection
    this.candidates = candidates
    const electionMs = candidates.reduce((sum, { timeoutMs }) => sum + timeoutMs, ELECTION_SLACK_MS)
    this.patience = { electionMs, strangerMs: STRANGER_MS }
  }

  /** Joins or elects; the connection to the engine is then the one that is kept. Rejects with a LockError, and holds nothing then. */
  async enter(): Promise<Agreed> {
    const { pid, host } = owner()
    const script = enter(this.candidates, `${pid}@${host}`, this.patience)
    try {
      let step = script.next()
      while (!step.done) {
        try {
          const answer = await this.perform(step.value)
          step = script.next(answer)
        } catch (error) {
          step = script.throw(error)
        }
      }
      return step.value
    } catch (error) {
      throw isLockError(error) ? error : this.file.asLockError(error)
    }
  }

  /** At once: takes the users byte back if the record still names this engine. Null if not, or if it is not that simple. */
  comeBack(known: AgreementRecord): AgreementRecord | null {
    const script = comeBack(known)
    try {
      let step = script.next()
      while (!step.done) step = script.next(this.perform(step.value))
      return step.value
    } catch {
      this.file.leave()
      return null
    }
  }

  private perform(step: Step): unknown {
    const { file } = this
    switch (step.do) {
      case 'begin-election':
        return file.beginElection()
      case 'end-election':
        return file.endElection()
      case 'share':
        return file.share()
      case 'claim':
        return file.claim()
      case 'leave':
        return file.leave()
      case 'others':
        return file.others()
      case 'read':
        return file.read()
      case 'highest-epoch':
        return file.highestEpoch
      case 'write':
        return file.write(step.record)
      case 'is-the-file':
        return file.isTheFile
      case 'reopen':
        return file.reopen()
      case 'open':
        return this.connection.open(step.entry)
      case 'who':
        return file.who()
      case 'pause':
        return new Promise((resolve) => setTimeout(resolve, step.ms))
      case 'look-at-clocks':
        return { ms: nowMs(), wallMs: Date.now() }
    }
  }
}
