// SPDX-License-Identifier: MIT
// Examines one lock space: first what its engine says about itself, then real locks, between real threads and processes, judged by an oracle that
// does not know the engine. It works in a tree of its own beside all paths, so nobody who uses the space waits for it.
import { resolve } from 'node:path'
import { defaultDirectory } from '../backends/file/index.ts'
import { agreementOf } from '../config/agreed.ts'
import { openConfiguration, possibleEngines } from '../config/configuration.ts'
import type { RedisUrl } from '../config/redis-url.ts'
import { type FileUrl, parseUrl, sourceOf } from '../config/url.ts'
import { quoted } from '../config/url-syntax.ts'
import type { ZooKeeperUrl } from '../config/zookeeper-url.ts'
import { within } from './bounded.ts'
import { Examination } from './examination.ts'
import { FileSurvey } from './files.ts'
import type { Opening } from './hands.ts'
import { type Check, Findings, failed, type Report, verdictOf } from './report.ts'
import type { Survey } from './survey.ts'

export interface VerifyOptions {
  /** The space, as `connect(url)` opens it. Default: what `connect()` opens. */
  readonly url?: string | undefined
  /** Opens the space in another way; then `url` is not looked at, and only locks are examined. */
  readonly opening?: Opening | undefined
  /** Stops the examination: it cleans up, and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Told of each check as soon as something came out. */
  readonly onCheck?: ((check: Check) => void) | undefined
}

/** Whatever happens, there is a report by then. */
const LIMIT_MS = 40_000
const NEVER_PROVED = 'that conflicting requests are let in in the order in which they came'

/** Rejects with LockError `CONFIG_INVALID` for a wrong URL, and with the reason of `signal`. Everything else is in the report. */
export async function verify({ url: given, opening, signal, onCheck = () => {} }: VerifyOptions = {}): Promise<Report> {
  const began = performance.now()
  const findings = new Findings(onCheck)
  const url = opening === undefined ? await placeOf(given) : undefined
  const survey = url === undefined ? null : await surveyOf(url)
  // As connect() opens it: what was looked up is what is looked at, and locks are tried in the way of those who use the space.
  const examination = new Examination(findings, opening ?? { url: given }, survey)
  try {
    await stoppable(signal, within(LIMIT_MS, 'the examination', examination.run()))
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    findings.add(
      'examination',
      failed(error instanceof Error ? error.message : String(error), 'see whether the engine, or this machine, is overloaded'),
    )
    examination.skipRest('the examination was cut short')
  } finally {
    await examination.end()
  }
  return {
    version: 1,
    url: url === undefined ? null : (JSON.parse(quoted(url)) as string),
    engine: examination.engine,
    ...verdictOf(findings),
    seconds: Math.round(performance.now() - began) / 1_000,
    checks: findings.checks,
    notProved: [...examination.notProved, NEVER_PROVED],
  }
}

/** Where `connect()` goes, as a URL with passwords; undefined where it does not come in: then the examination says why. */
async function placeOf(given: string | undefined): Promise<string | undefined> {
  const source = await sourceOf(given)
  if ('url' in source) return source.url
  const possible = possibleEngines(source.file)
  if (possible.length === 1) return possible[0]!.url
  try {
    const backend = await openConfiguration(source.file)
    const engine = agreementOf(backend)?.engine
    await backend.close()
    return possible.find(({ shown }) => shown === engine)?.url
  } catch {
    return undefined
  }
}

/** @throws LockError `CONFIG_INVALID` */
async function surveyOf(url: string): Promise<Survey | null> {
  const parsed = parseUrl(url)
  if (parsed.scheme === 'memory') return null
  if (parsed.scheme === 'file') return new FileSurvey(resolve((parsed as FileUrl).directory ?? defaultDirectory()))
  if (parsed.scheme === 'zookeeper') {
    const { ZooKeeperSurvey } = await import('./zookeeper.ts')
    return new ZooKeeperSurvey(url, parsed as ZooKeeperUrl)
  }
  const { RedisSurvey } = await import('./redis.ts')
  return new RedisSurvey(url, parsed as RedisUrl)
}

async function stoppable(signal: AbortSignal | undefined, work: Promise<void>): Promise<void> {
  if (signal === undefined) return await work
  work.catch(() => {})
  let stop = (): void => {}
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
  })
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop)
  try {
    await Promise.race([work, stopped])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
