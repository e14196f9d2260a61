// SPDX-License-Identifier: MIT
// Debian's Curator, a neighbour in Java: its mutexes and read-write locks.
import { existsSync } from 'node:fs'
import { Driver } from './driver.ts'
import { type ConnectOptions, Neighbour, NeighbourClient, NeighbourLock } from './neighbour.ts'

const RECIPES = '/usr/share/java/curator-recipes.jar'

/** The jar names what it needs itself, but for what its log goes to, and what the driver reads JSON with (which ZooKeeper's jar names). */
const CLASS_PATH = `${RECIPES}:/usr/share/java/slf4j-simple.jar`

const PROGRAM = new URL('curator/CuratorDriver.java', import.meta.url).pathname

/** True when there is Curator. */
export const hasCurator: boolean = existsSync(RECIPES)

export interface CuratorLockOptions {
  /** The class of Curator's, `InterProcessMutex` when left out; `ReadLock` and `WriteLock` are those of an `InterProcessReadWriteLock`. */
  readonly kind?: 'InterProcessMutex' | 'ReadLock' | 'WriteLock' | 'InterProcessSemaphoreMutex'
}

/** One process can have many clients. It takes 1 s to start: the program is compiled as it starts. */
export class Curator extends Neighbour {
  private constructor(driver: Driver) {
    super(driver)
  }

  /** Resolves when it listens. */
  static async start(): Promise<Curator> {
    const args = ['-Xmx64m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']
    const driver = new Driver('java', [...args, '-cp', CLASS_PATH, PROGRAM])
    await driver.ask('hello')
    return new Curator(driver)
  }

  /** `hosts` as Curator takes them: `host:port,host:port/chroot`. Rejects with `TimeoutException` when there is no session within 10 s. */
  async connect(hosts: string, options: ConnectOptions = {}): Promise<CuratorClient> {
    return new CuratorClient(this.driver, await this.session(hosts, options))
  }
}

export class CuratorClient extends NeighbourClient {
  async lock(path: string, options: CuratorLockOptions = {}): Promise<NeighbourLock> {
    return new NeighbourLock(this.driver, await this.ask('lock', { path, kind: options.kind ?? 'InterProcessMutex' }), path)
  }
}
