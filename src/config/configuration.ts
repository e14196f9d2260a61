// SPDX-License-Identifier: MIT
// From a configuration file to an engine: the only one that it names, or one on which its users agree.
import { dirname, resolve } from 'node:path'
import type { Backend } from '../core/backend.ts'
import { isLockError, LockError } from '../core/errors.ts'
import { agreedBackend } from './agreed.ts'
import { readConfigurationFile } from './config-file.ts'
import { type Configuration, parseConfiguration } from './config-syntax.ts'
import { candidateOf, type EngineDefaults, openEngine, shownAs } from './engine.ts'
import type { EngineUrl, MemoryUrl } from './url.ts'

/** Of each entry, where the configuration has several and says nothing. */
const TIMEOUT_MS = 2_000
const DEFAULT_SPACE = 'default'

/**
 * @throws LockError `CONFIG_INVALID` with file, line and key; `LOCK_SPLIT`, `LOCK_UNAVAILABLE` as {@link agreedBackend}; what an engine says otherwise.
 */
export async function openConfiguration(path: string): Promise<Backend> {
  const file = resolve(path)
  return openConfigured(parseConfiguration(readConfigurationFile(path), file), dirname(file))
}

/** @param base what relative paths are relative to. */
async function openConfigured(configuration: Configuration, base: string): Promise<Backend> {
  const { engines, scope, space, prefer, agreement } = configuration
  const [first] = engines
  const defaults: EngineDefaults = { space, prefer, base }
  if (engines.length === 1) return openEngine(first!.url, { ...defaults, timeoutMs: first!.timeoutMs })
  if (scope === 'network') return openFirst(configuration, defaults)
  const candidates = engines.map(({ url, timeoutMs = TIMEOUT_MS }) =>
    candidateOf(url as Exclude<EngineUrl, MemoryUrl>, { ...defaults, timeoutMs }),
  )
  const folder = agreement === undefined ? undefined : resolve(base, agreement)
  return agreedBackend({ folder, space: space ?? DEFAULT_SPACE, candidates, prefer })
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
