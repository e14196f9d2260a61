// SPDX-License-Identifier: MIT
// Users of the seed's interface in this process, each as another process would be; and Python programs that lock as the seed's library does.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import type { LockingServer } from '../../src/compat/isf/configuration.ts'
import { Locking } from '../../src/compat/isf/locking.ts'
import type { IsfOptions } from '../../src/compat/isf/settings.ts'
import { PYTHON } from '../support/rival.ts'

/** Connected; the agreement lies in `home`. */
export async function user(home: string, servers: readonly LockingServer[], options: IsfOptions = {}): Promise<Locking> {
  const locking = new Locking()
  onTestFinished(async () => {
    await (await locking.client().catch(() => null))?.close({ timeout: 0 })
    await locking.close()
  })
  await locking.update(servers, { agreement: join(home, 'agreement'), space: 'test', ...options })
  return locking
}

export type Kind = 'lock' | 'read' | 'write'

/** What the library does with one server: the first argument says which. */
const PROGRAM = `
import json, os, sys
kind, place = sys.argv[1], sys.argv[2]

def writable(path):
    import fasteners
    return fasteners.InterProcessLock(path) if os.access(path, os.W_OK) else None

if kind == 'redis':
    import redis
    from redis.lock import Lock
    client = redis.StrictRedis(host='127.0.0.1', port=int(place), socket_timeout=10)
    make = lambda what, name: Lock(client, name, timeout=300)
    patience = lambda lock: lock.acquire(blocking=True, blocking_timeout=10)
elif kind == 'zookeeper':
    from kazoo.client import KazooClient
    client = KazooClient(hosts=place)
    client.start()
    make = lambda what, name: {'lock': client.Lock, 'read': client.ReadLock, 'write': client.WriteLock}[what](name)
    patience = lambda lock: lock.acquire(timeout=10)
else:
    make = lambda what, name: writable(name)
    patience = lambda lock: lock.acquire(timeout=10)

locks = {}
print(json.dumps('ready'), flush=True)
for line in sys.stdin:
    what, which, name = json.loads(line)
    if what == 'give': answer = locks.pop(name).release() in (None, True)
    else:
        lock = make(which, name)
        answer = patience(lock) if what == 'wait' else lock.acquire(blocking=False)
        if answer: locks[name] = lock
    print(json.dumps(answer), flush=True)
`

export class PythonUser {
  private readonly child: ChildProcessWithoutNullStreams
  private readonly lines: AsyncIterator<string>

  private constructor(words: readonly string[]) {
    this.child = spawn(PYTHON, ['-c', PROGRAM, ...words])
    this.child.stderr.pipe(process.stderr)
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
  }

  static async start(kind: 'redis' | 'zookeeper' | 'file', place: string): Promise<PythonUser> {
    const python = new PythonUser([kind, place])
    await python.answer()
    return python
  }

  /** One try. */
  take(kind: Kind, name: string): Promise<boolean> {
    return this.tell('take', kind, name)
  }

  wait(kind: Kind, name: string): Promise<boolean> {
    return this.tell('wait', kind, name)
  }

  give(name: string): Promise<boolean> {
    return this.tell('give', '', name)
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }

  private tell(...words: readonly string[]): Promise<boolean> {
    this.child.stdin.write(`${JSON.stringify(words)}\n`)
    return this.answer()
  }

  private async answer(): Promise<boolean> {
    const { value, done } = await this.lines.next()
    if (done === true) throw new Error('The Python process has ended: python3-redis, python3-kazoo and python3-fasteners are needed.')
    return JSON.parse(value)
  }
}
