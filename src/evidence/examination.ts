// SPDX-License-Identifier: MIT
// One examination from its beginning to its end: who takes part, what is tried in which order, and that everything is given back.
import type { Supports } from '../core/backend.ts'
import type { LockErrorCode } from '../core/errors.ts'
import { isLockError } from '../core/errors.ts'
import { within } from './bounded.ts'
import { Hands, type Opening, openSpace } from './hands.ts'
import { kill } from './kill.ts'
import { allFree, handOffs, judgeLoad, judgeTokens, underLoad } from './load.ts'
import { FileMarks, SharedMarks } from './marks.ts'
import { busyTries, modes, timeOut } from './modes.ts'
import { judge } from './oracle.ts'
import { type CheckName, type Finding, type Findings, failed, notTried, ok } from './report.ts'
import { type OwnTree, ownTree, type Pair } from './stage.ts'
import type { Survey } from './survey.ts'
import { type Line, ownLine, Worker } from './worker.ts'

const OPEN_MS = 12_000
const CLOSE_MS = 2_500
/** Marks that all threads together may put down. */
const SHARED_MARKS = 8_192

/** Who takes part. */
interface Cast {
  readonly own: Line
  /** Whose modes are tried against each other, under which name. */
  readonly pairs: readonly (readonly [name: CheckName, pair: Pair])[]
  /** Those who pass a lock around. */
  readonly nearest: readonly Line[]
  readonly all: readonly Line[]
  readonly inWords: string
}

/** The workers; the witness is one of the processes, and the victim is none of them. */
interface Troupe {
  readonly processes: readonly [Worker, Worker]
  readonly threads: readonly [Worker, Worker]
  readonly witness: Worker
  readonly victim: Worker
}

/** What is tried with locks, in the order of the report. */
const LOCK_CHECKS: readonly CheckName[] = ['try', 'modes-threads', 'modes-processes', 'time-out', 'hand-off', 'load', 'tokens', 'kill']

export class Examination {
  readonly findings: Findings
  engine: string | null = null
  private readonly opening: Opening
  private readonly workers: Worker[] = []
  private readonly fileMarks: FileMarks = FileMarks.unnamed()
  private readonly sharedMarks: SharedMarks = SharedMarks.withRoomFor(SHARED_MARKS)
  private readonly survey: Survey | null
  private hands: Hands | null = null
  /** Why nothing more is tried. */
  private stuck: string | null = null
  private over = false

  /** @param survey of the engine, where it is known beforehand which one will be used. */
  constructor(findings: Findings, opening: Opening, survey: Survey | null) {
    this.findings = findings
    this.opening = opening
    this.survey = survey
  }

  get notProved(): readonly string[] {
    return this.survey?.notProved ?? []
  }

  async run(): Promise<void> {
    try {
      await this.proceed()
    } finally {
      // It was stopped meanwhile: what was opened after that is closed, too.
      if (this.over) await this.end()
    }
  }

  /** What was not reported until now is not going to be tried. */
  skipRest(why: string): void {
    for (const name of LOCK_CHECKS) this.findings.add(name, notTried(why))
  }

  /** Gives everything back, and ends who takes part. Never rejects. */
  async end(): Promise<void> {
    this.over = true
    this.findings.close()
    const { hands, survey, workers } = this
    await Promise.allSettled(workers.map((worker) => worker.end()))
    if (hands !== null) await within(CLOSE_MS, 'closing', this.leave(hands)).catch(() => {})
    if (survey !== null) await within(CLOSE_MS, 'closing', survey.close()).catch(() => {})
    this.fileMarks.close()
  }

  private async proceed(): Promise<void> {
    const { findings } = this
    if (this.survey !== null && !(await this.survey.before(findings))) return this.skipRest('it cannot be used as it is, see above')
    const tree = await this.open()
    if (tree === null) return this.skipRest('no lock space could be opened')
    const { supports } = this.hands!.facts()
    const troupe = supports.scope === 'thread' ? null : this.engage()
    const killing = (): Promise<void> => this.check('kill', () => this.kill(troupe, tree.root, supports))
    // A lease takes its time to run out. Where the kernel frees at once, it is measured when nobody else is busy.
    const early = supports.deadHolder === 'after-lease' ? killing() : null
    const cast = await this.cast(troupe)
    if (cast === null) return this.skipRest('its workers could not open it')
    if (troupe !== null) await this.survey?.after(findings, troupe.witness)
    await this.tryLocks(cast, tree.root)
    await (early ?? killing())
    this.judge(cast, this.stuck !== null || (await allFree(cast.own, tree.root)))
    await this.survey?.last(findings)
  }

  private async leave(hands: Hands): Promise<void> {
    // What a process that was killed leaves in a lock directory is removed by whoever asks next.
    if (hands.facts().supports.deadHolder === 'at-once') await hands.ask()
    await hands.close()
  }

  private async open(): Promise<OwnTree | null> {
    try {
      const space = await within(OPEN_MS, 'opening', openSpace(this.opening))
      this.hands = new Hands(space, 'this process', this.fileMarks)
      this.goOn()
      const tree = await within(OPEN_MS, 'a try', ownTree(space))
      const { name, prefer } = space.backend
      this.engine = name
      this.findings.add('open', ok(`${name}, ${prefer === 'writers' ? 'writers go first' : 'first come, first served'}`))
      return tree
    } catch (error) {
      this.findings.add('open', failed(messageOf(error), adviceOn(error)))
      return null
    }
  }

  private engage(): Troupe {
    this.goOn()
    const [witness, other, victim] = [1, 2, 3].map((number) => Worker.process(`process ${number}`, this.fileMarks)) as [
      Worker,
      Worker,
      Worker,
    ]
    const threads = [1, 2].map((number) => Worker.thread(`thread ${number}`, this.sharedMarks)) as [Worker, Worker]
    this.workers.push(witness, other, victim, ...threads)
    return { processes: [witness, other], threads, witness, victim }
  }

  /** Null when the workers cannot open the space. */
  private async cast(troupe: Troupe | null): Promise<Cast | null> {
    const own = ownLine('this process', this.hands!)
    if (troupe === null) {
      const alone = notTried('its locks are those of one thread')
      for (const name of ['modes-threads', 'modes-processes'] as const) this.findings.add(name, alone)
      return { own, pairs: [['modes-tasks', { a: own, b: own }]], nearest: [own, own], all: [own, own], inWords: 'the tasks of one thread' }
    }
    let all: Line[]
    try {
      all = await Promise.all([...troupe.processes, ...troupe.threads].map((worker) => worker.open(this.opening)))
    } catch (error) {
      this.findings.add('workers', failed(messageOf(error), adviceOn(error)))
      return null
    }
    const [p1, p2, t1, t2] = all as [Line, Line, Line, Line]
    const pairs = [
      ['modes-threads', { a: t1, b: t2 }],
      ['modes-processes', { a: p1, b: p2 }],
    ] as const
    return { own, pairs, nearest: [p1, p2], all, inWords: 'two processes and two threads' }
  }

  private async kill(troupe: Troupe | null, root: string, { deadHolder }: Supports): Promise<Finding> {
    if (troupe === null || deadHolder === 'none') return notTried('its locks are those of one process')
    const { opening = this.opening, remark = '' } = this.survey?.killPlace ?? {}
    return await kill({ ...troupe, opening, remark, key: `${root}/kill`, marks: this.fileMarks })
  }

  private async tryLocks({ pairs, nearest, all }: Cast, root: string): Promise<void> {
    const [, nearestPair] = pairs.at(-1)!
    await this.check('try', () => busyTries(nearestPair, `${root}/try`))
    await Promise.all(pairs.map(([name, pair]) => this.check(name, () => modes(pair, `${root}/${name}`))))
    await this.check('time-out', () => timeOut(nearestPair, `${root}/time-out`))
    const answerMs = this.findings.checks.find(({ check }) => check === 'try')?.figures.slowestMs ?? 1
    await this.check('hand-off', () => handOffs(nearest, `${root}/hand-off`, answerMs))
    await this.check('load', async () => {
      await underLoad(all, `${root}/load`)
      return null
    })
  }

  private judge({ inWords }: Cast, free: boolean): void {
    const verdict = judge([...this.fileMarks.read(), ...this.sharedMarks.read()])
    const load = judgeLoad(verdict, inWords, free)
    const untried = this.stuck === null || load.outcome === 'failed' ? load : notTried(this.stuck)
    this.findings.add('load', untried)
    this.findings.add('tokens', judgeTokens(verdict))
  }

  /** Null: the finding comes later. A check that could not be carried out has failed, and the rest is not tried. */
  private async check(name: CheckName, work: () => Promise<Finding | null>): Promise<void> {
    if (this.stuck !== null) return void (name === 'load' || this.findings.add(name, notTried(this.stuck)))
    try {
      this.goOn()
      const finding = await work()
      if (finding !== null) this.findings.add(name, finding)
    } catch (error) {
      if (this.over) return
      this.findings.add(name, failed(messageOf(error), adviceOn(error)))
      this.stuck ??= 'something before it did not come to an end'
    }
  }

  /** Somebody has ended it meanwhile. */
  private goOn(): void {
    if (this.over) throw new Error('The examination is over.')
  }
}

const ADVICE: Partial<Record<LockErrorCode, string>> = {
  LOCK_DENIED: 'give this user the rights, or examine as another',
  LOCK_UNAVAILABLE: 'see that it runs, answers, and is not full',
  LOCK_UNSUPPORTED: 'choose another place or engine',
  LOCK_INVALID: 'use the options with which the space was made, or another space',
  LOCK_TIMEOUT: 'is it overloaded? Examine it again when it is not',
  LOCK_LOST: 'see that it is not overloaded or frozen',
}

function adviceOn(error: unknown): string {
  return (isLockError(error) ? ADVICE[error.code] : undefined) ?? 'see whether the engine, or this machine, is overloaded or frozen'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
