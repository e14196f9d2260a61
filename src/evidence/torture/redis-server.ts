// SPDX-License-Identifier: MIT
// A redis-server of our own. It writes down every change before it answers, so that it knows what it knew when it is killed and started anew.
import { makeOwnFolder } from './own-folder.ts'
import { findProgram, freePort, OwnProcess } from './own-process.ts'
import type { OwnServer } from './server.ts'
import { say } from './words.ts'

const SETTINGS = [
  '--bind',
  '127.0.0.1',
  '--save',
  '',
  '--appendonly',
  'yes',
  '--appendfsync',
  'everysec',
  '--maxmemory-policy',
  'noeviction',
]

/** @throws LockError `LOCK_UNSUPPORTED` when none is installed. */
export async function startRedisServer(): Promise<OwnServer> {
  const program = findProgram('redis-server', 'install it (apt install redis-server), or name a server, as in --on redis://HOST')
  const folder = makeOwnFolder()
  try {
    const port = await freePort()
    const server = new OwnProcess([program, '--port', String(port), '--dir', folder.path, ...SETTINGS], folder.path, async () =>
      (await say(port, 'PING\r\nQUIT\r\n')).includes('+PONG'),
    )
    await server.start()
    return {
      port,
      async restart(manner) {
        await server.end(manner)
        await server.start()
      },
      freeze: () => server.freeze(),
      thaw: () => server.thaw(),
      left: (users) => left(port, users),
      async stop() {
        await server.end('SIGKILL')
        folder.remove()
      },
    }
  } catch (error) {
    folder.remove()
    throw error
  }
}

/** The one space that there is: its policy and its last token stay. */
const SPACE = 'holdfast:{default}'
const STAYS = ['#t', '#v']

async function left(port: number, users: 0 | 1): Promise<readonly string[]> {
  const sessions = Number((await say(port, `ZCARD ${SPACE}:sessions\r\nQUIT\r\n`)).slice(1).split('\r\n')[0])
  if (users > 0) return sessions > users ? [`${sessions - users} sessions of processes that are gone`] : []
  const keys = strings(await say(port, 'KEYS *\r\nQUIT\r\n')).filter((key) => key !== SPACE)
  const fields = strings(await say(port, `HKEYS ${SPACE}\r\nQUIT\r\n`)).filter((field) => !STAYS.includes(field))
  return [...keys.map((key) => `the key ${key}`), ...fields.map((field) => `the field ${field} of ${SPACE}`)]
}

/** The strings in an answer of RESP2; none of ours holds a line break. */
function strings(answer: string): readonly string[] {
  const lines = answer.split('\r\n')
  return lines.flatMap((line, i) => (line.startsWith('$') ? [lines[i + 1] ?? ''] : []))
}
