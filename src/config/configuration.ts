// SPDX-License-Identifier: MIT
// From a configuration file to an engine: the only one that it names, or one on which its users agree.
import { dirname, resolve } from 'node:path'
import type { Backend } from '../core/backend.ts'
import { isLockError, LockError } from '../core/errors.ts'
import { agreedBackend } from './agreed.ts'
import { readConfigurationFile } from './config-file.ts'
import { type Configuration, parseConfiguration } from './config-syntax.ts'
import { candidateOf, type EngineDefaults, openEngine, shownAs, wholeUrl } from './engine.ts'
import type { EngineUrl, MemoryUrl } from './url.ts'

/** Of each entry, where the configuration has several and says nothing. */
const TIMEOUT_MS = 2_000
const DEFAULT_SPACE = 'default'

/**
 * @throws LockError `CONFIG_INVALID` with file, line and key; `LOCK_SPLIT`, `LOCK_UNAVAILABLE` as {@link agreedBackend}; what an engine says otherwise.
 */
export async function openConfiguration(path: string): Promise<Backend> {
  const { configuration, defaults, base } = readConfiguration(path)
  const { engines, scope, space, prefer, agreement } = configuration
  const [first] = engines
  if (engines.length === 1) return openEngine(first!.url, { ...defaults, timeoutMs: first!.timeoutMs })
  if (scope === 'network') return openFirst(configuration, defaults)
  const candidates = engines.map(({ url, timeoutMs = TIMEOUT_MS }) =>
    candidateOf(url as Exclude<EngineUrl, MemoryUrl>, { ...defaults, timeoutMs }),
  )
  const folder = agreement === undefined ? undefined : resolve(base, agreement)
  return agreedBackend({ folder, space: space ?? DEFAULT_SPACE, candidates, prefer })
}

/** @throws LockError `CONFIG_INVALID` */
function readConfiguration(path: string): {
  readonly configuration: Configuration
  readonly defaults: EngineDefaults
  readonly base: string
} {
  const file = resolve(path)
  const configuration = parseConfiguration(readConfigurationFile(path), file)
  const { space, prefer } = configuration
  const base = dirname(file)
  return { configuration, defaults: { space, prefer, base }, base }
}

/** An engine that a configuration may go to. */
export interface Possible {
  /** A URL that says all that the configuration says beside it, with passwords. */
  readonly url: string
  /** As the agreement calls it. */
  readonly shown: string
}

/** @throws LockError `CONFIG_INVALID` */
export function possibleEngines(path: string): readonly Possible[] {
  const { configuration, defaults } = readConfiguration(path)
  const { engines, scope } = configuration
  const possible = scope === 'network' ? engines.slice(0, 1) : engines
  return possible.map(({ url, text }) => ({ url: wholeUrl(text, url, defaults), shown: shownAs(url, defaults) }))
}

/** Users on other hosts cannot be asked whom they reach: all have to be where the first entry says, or nowhere. */
async function openFirst({ engines }: Configuration, defaults: EngineDefaults): Promise<Backend> {
  const [first, ...others] = engines
  try {
    return await openEngine(first!.url, { ...defaults, timeoutMs: first!.timeoutMs })
  } catch (error) {
    if (!isLockError(error, 'LOCK_UNAVAILABLE')) throw error
    const unused = others.map(({ url }) => shownAs(url, defaults)).join(', ')
    const why = `No other entry (${unused}) is used instead, as users on other hosts may go on here. If all users are on this host, the configuration can say so: scope: host.`
    throw new LockError(error.code, `${error.message} ${why}`, { cause: error })
  }
}
