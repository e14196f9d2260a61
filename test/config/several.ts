// SPDX-License-Identifier: MIT
// Users of several engines, in this process: each is a lock space of its own, as another process would be, on engines of the test's own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { fileBackend } from '../../src/backends/file/index.ts'
import { connectRedis, type RedisPlace } from '../../src/backends/redis/index.ts'
import { loadClient } from '../../src/backends/redis/load-client.ts'
import { type AgreedOptions, type Agreement, agreedBackend, agreementOf, type Candidate } from '../../src/config/agreed.ts'
import { AgreementFile } from '../../src/config/agreement-file.ts'
import { LockSpace } from '../../src/lock-space.ts'
import { freePort, type RedisOptions, type RedisServer, startRedis } from '../redis/server.ts'

export const LEASE_MS = 600
export const TIMEOUT_MS = 600

export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'holdfast-several-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true, maxRetries: 3 }))
  return made
}

/** A server that keeps its data when it is killed. */
export async function server(options: RedisOptions = {}): Promise<RedisServer> {
  const started = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'], ...options })
  onTestFinished(() => started.stop())
  return started
}

/** The address of a server that does not run. */
export async function nobody(): Promise<{ port: number }> {
  return { port: await freePort() }
}

/** @param name where it differs from the port: two addresses may have one name. */
export function redis({ port }: { port: number }, place: Partial<RedisPlace> = {}, name: string = `redis:${port}`): Candidate {
  const { connectTimeout = TIMEOUT_MS } = place
  const to: RedisPlace = { host: '127.0.0.1', port, checks: 'off', lease: LEASE_MS, ...place, connectTimeout }
  return { digest: name, shown: name, timeoutMs: connectTimeout, prepare: loadClient, open: () => connectRedis(to) }
}

export function files(home: string, name: string = 'files'): Candidate {
  const directory = join(home, name)
  return { digest: directory, shown: `file:${name}`, timeoutMs: TIMEOUT_MS, open: async () => fileBackend({ directory }) }
}

/** A user, with all that it can be asked. */
export class User {
  readonly locks: LockSpace

  constructor(locks: LockSpace) {
    this.locks = locks
  }

  get agreement(): Agreement {
    return agreementOf(this.locks.backend)!
  }

  get engine(): string | null {
    return this.agreement.engine
  }
}

export async function user(home: string, candidates: readonly Candidate[], options: Partial<AgreedOptions> = {}): Promise<User> {
  const backend = await agreedBackend({ folder: join(home, 'agreement'), space: 'test', candidates, ...options })
  const locks = new LockSpace(backend)
  onTestFinished(() => locks.close({ timeout: 0 }))
  return new User(locks)
}

/** Tries until it works, or the test's time is up: for what becomes true when others have noticed something. */
export async function eventually<Result>(work: () => Promise<Result> | Result): Promise<Result> {
  const giveUpAt = performance.now() + 15_000
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (performance.now() > giveUpAt) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

/** The file of the agreement, as somebody else sees it. */
export function opened(home: string, space = 'test'): AgreementFile {
  const file = new AgreementFile(join(home, 'agreement'), space)
  onTestFinished(() => file.close())
  return file
}

/** Of a program: the first entry is this server, the second are files. */
export function configure(home: string, port: number, lease: string): { readonly env: { readonly HOLDFAST_CONFIG: string } } {
  const config = join(home, 'holdfast.config.yml')
  const engines = `engines:\n  - url: redis://127.0.0.1:${port}?lease=${lease}\n    timeout: 2s\n  - file:./locks\n`
  writeFileSync(config, `${engines}scope: host\nspace: test\nagreement: ./agreement\n`)
  return { env: { HOLDFAST_CONFIG: config } }
}
