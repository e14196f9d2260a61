// SPDX-License-Identifier: MIT
// A ZooKeeper server of our own.
import { existsSync, readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { LockError } from '../../core/errors.ts'
import { makeOwnFolder } from './own-folder.ts'
import { findProgram, freePort, OwnProcess } from './own-process.ts'
import type { OwnServer } from './server.ts'
import { say } from './words.ts'

const ADVICE = 'install it (apt install zookeeper), set ZOOKEEPER_HOME, or name a server, as in --on zookeeper://HOST/ROOT'
/** Where Debian puts them. */
const JARS = '/usr/share/java'

/** @throws LockError `LOCK_UNSUPPORTED` when none is installed. */
export async function startZooKeeperServer(): Promise<OwnServer> {
  const java = findProgram('java', ADVICE)
  const classes = classPath()
  const folder = makeOwnFolder()
  try {
    const port = await freePort()
    const file = join(folder.path, 'zoo.cfg')
    await writeFile(file, lines({ ...SETTINGS, dataDir: join(folder.path, 'data'), clientPort: String(port) }))
    const command = [java, ...OPTIONS, '-cp', classes, 'org.apache.zookeeper.server.quorum.QuorumPeerMain', file]
    const server = new OwnProcess(command, folder.path, async () => (await say(port, 'srvr')).includes('Mode: '))
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

const SETTINGS = {
  tickTime: '100',
  minSessionTimeout: '200',
  maxSessionTimeout: '600000',
  clientPortAddress: '127.0.0.1',
  'admin.enableServer': 'false',
  maxClientCnxns: '0',
  '4lw.commands.whitelist': 'srvr,dump',
}

/** Nothing is lost when the process is killed, as the kernel has it; only a power cut would take more. */
const OPTIONS = [
  '-Xmx256m',
  '-XX:+UseSerialGC',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
  '-Dzookeeper.jmx.log4j.disable=true',
  '-Dzookeeper.forceSync=no',
]

function lines(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

function classPath(): string {
  const home = process.env.ZOOKEEPER_HOME
  const jars =
    home === undefined
      ? ['zookeeper.jar', 'slf4j-simple.jar'].map((jar) => join(JARS, jar))
      : [home, join(home, 'lib')].flatMap((folder) => jarsIn(folder))
  if (jars.some((jar) => /zookeeper[^/]*\.jar$/.test(jar) && existsSync(jar))) return jars.join(delimiter)
  throw new LockError('LOCK_UNSUPPORTED', `There is no ZooKeeper on this machine to start one of our own: ${ADVICE}.`)
}

function jarsIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder).flatMap((name) => (name.endsWith('.jar') ? [join(folder, name)] : []))
}

/** What goes with a session; queues go by themselves some time after they were left empty. */
async function left(port: number, users: 0 | 1): Promise<readonly string[]> {
  const nodes = (await say(port, 'dump')).split('\n').flatMap((line) => (line.startsWith('\t/') ? [line.trim()] : []))
  const members = nodes.filter((node) => node.includes('/members/'))
  const others = nodes.filter((node) => !node.includes('/members/'))
  return [...others, ...members.slice(users)].map((node) => `the node ${node}`)
}
