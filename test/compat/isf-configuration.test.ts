// SPDX-License-Identifier: MIT
// The seed's configuration: what may be written, what is wrong and where, and what is used when nothing is.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { parseServers, readServers } from '../../src/compat/isf/configuration.ts'
import { pathOf } from '../../src/compat/isf/names.ts'
import { settingsFromEnvironment, settingsOf } from '../../src/compat/isf/settings.ts'
import { isLockError } from '../../src/core/errors.ts'
import { Program } from '../cli/program.ts'
import { folder } from '../config/several.ts'
import { freshSeed, generator } from '../support/random.ts'
import { scaled } from '../support/scale.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

function complaint(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (isLockError(error, 'CONFIG_INVALID')) return error.message
    throw error
  }
  throw new Error('Nothing was wrong.')
}

describe('The configuration of data_base.distributed_lock', () => {
  test('is read as it is: servers, their time-outs in seconds, hosts with commas', () => {
    const text = `
- type: redis
  config: {host: locks.example.org, port: 8885, socket_timeout: 0.5}
- type: zookeeper
  config: {hosts: "zk1:2181,zk2:2182", port: 2200}
- type: zookeeper
  config: {hosts: [zk1, "[::1]:2182"], port: 2200, timeout: 3}
- type: zookeeper
  config: {hosts: "zk1/labs/neuro"}
- type: file
`
    const [redis, zookeeper, listed, below, file] = parseServers(text, 'isf.yml')
    expect(redis).toEqual({
      server: { type: 'redis', config: { host: 'locks.example.org', port: 8885, socket_timeout: 0.5 } },
      url: { scheme: 'redis', host: 'locks.example.org', port: 8885 },
      timeoutMs: 500,
    })
    expect(zookeeper).toEqual({
      server: { type: 'zookeeper', config: { hosts: 'zk1:2181,zk2:2182', port: 2200 } },
      url: { scheme: 'zookeeper', hosts: ['zk1:2181', 'zk2:2182'] },
      timeoutMs: 2_000,
    })
    expect(listed).toMatchObject({ url: { hosts: ['zk1:2200', '[::1]:2182'] }, timeoutMs: 3_000 })
    expect(below!.url).toEqual({ scheme: 'zookeeper', hosts: ['zk1:2181'], root: '/labs/neuro' })
    expect(file).toMatchObject({ server: { type: 'file' }, url: { scheme: 'file' } })
  })

  test('may be JSON, and name what else redis-py is told', () => {
    const config = {
      port: 1,
      db: 2,
      username: 'me',
      password: 'pw',
      socket_timeout: 5,
      socket_connect_timeout: 0.001,
      ssl: true,
      unix_socket_path: '/run/redis.sock',
    }
    const { unix_socket_path, ...network } = config
    const [socket, tls] = parseServers(JSON.stringify([config, network].map((one) => ({ type: 'redis', config: one }))), 'isf.json')
    expect(socket).toMatchObject({
      server: { config },
      url: { scheme: 'redis', path: unix_socket_path, db: 2, username: 'me', password: 'pw' },
    })
    // Less than 50 ms is no time for a network.
    expect(tls).toMatchObject({ url: { scheme: 'rediss', port: 1 }, timeoutMs: 50 })
  })

  test.each([
    ['', 'isf.yml:1:1: it is a list of servers'],
    ['[]', 'isf.yml:1:1: the list is empty'],
    [
      'type: file',
      'isf.yml:1:1: it is a list of servers, such as [{type: redis, config: {host: localhost, port: 6379}}], not keys and values',
    ],
    ['- file', 'isf.yml:1:3 ([0]): it is a server, such as {type: file}, not "file".'],
    ['- config: {}', 'isf.yml:1:3 ([0]): it has no type'],
    ['- type: redis', 'isf.yml:1:3 ([0]): it has no config, which says where the redis server is.'],
    ['- {type: file}\n- type: rediss', 'isf.yml:2:9 ([1].type): there is no "rediss". Did you mean "redis"?'],
    ['- type: 7', 'isf.yml:1:9 ([0].type): it is "redis", "zookeeper" or "file", not 7.'],
    ['- type: file\n  conf: {}', 'isf.yml:2:3 ([0].conf): there is no such key. Did you mean "config"?'],
    ['- type: redis\n  config: here', 'isf.yml:2:11 ([0].config): it is keys and values'],
    ['- type: redis\n  config: {hosts: h}', 'isf.yml:2:12 ([0].config.hosts): there is no such key. Did you mean "host"?'],
    ['- type: redis\n  config: {host: 7}', 'isf.yml:2:18 ([0].config.host): it is the name of a host, not 7.'],
    ['- type: redis\n  config: {host: ""}', '([0].config.host): it is the name of a host, and not empty.'],
    ['- type: redis\n  config: {port: "6379"}', 'isf.yml:2:18 ([0].config.port): it is a whole number from 1 to 65535, not "6379".'],
    ['- type: redis\n  config: {port: 0}', 'not 0.'],
    ['- type: redis\n  config: {socket_timeout: soon}', '([0].config.socket_timeout): it is a number of seconds'],
    ['- type: redis\n  config: {socket_timeout: 0}', 'more than 0'],
    ['- type: redis\n  config: {ssl: 1}', '([0].config.ssl): it is true or false, not 1.'],
    ['- type: zookeeper\n  config: {hosts: "zk1,,zk2"}', 'isf.yml:2:19 ([0].config.hosts): '],
    ['- type: zookeeper\n  config: {hosts: [7]}', 'isf.yml:2:20 ([0].config.hosts[0]): it is a host'],
    ['- type: zookeeper\n  config: {hosts: "zk1:70000"}', '70000 is no port'],
    ['- type: file\n  config: {directory: ~/locks}', '([0].config.directory): "~" is not expanded here'],
    ['- type: file\n  type: file', 'isf.yml:2:3: Map keys must be unique.'],
    ['- {type: file', 'isf.yml:1:14: '],
  ])('is CONFIG_INVALID with file, line and key where it is wrong: %j', (text, message) => {
    expect(complaint(() => parseServers(text, 'isf.yml'))).toContain(message)
  })

  test('does not show a password that is written wrongly', () => {
    const message = complaint(() => parseServers('- type: redis\n  config: {password: 4711}', 'isf.yml'))
    expect(message).toContain('([0].config.password): it is text')
    expect(message).not.toContain('4711')
  })

  test('that a program gives is told by its key', () => {
    expect(complaint(() => readServers([{ type: 'redis', config: { port: 'x' } }], 'updateConfig'))).toBe(
      'updateConfig ([0].config.port): it is a whole number from 1 to 65535, not "x".',
    )
    const circle: unknown[] = []
    circle.push(circle)
    for (const servers of [undefined, null, 'redis', {}, [], [null], circle, [{ type: 'file', config: 1n }]])
      expect(complaint(() => readServers(servers, 'updateConfig'))).toMatch(/^updateConfig/)
    expect(readServers([{ type: 'file', config: null }], 'updateConfig')).toHaveLength(1)
  })

  test('is read as the documentation shows it', () => {
    const page = readFileSync(new URL('../../docs/isf.md', import.meta.url), 'utf8')
    const [, example] = /```yaml\n([\s\S]*?)```/.exec(page)!
    expect(parseServers(example!, 'isf.yml').map(({ server }) => server.type)).toEqual(['redis', 'zookeeper', 'file'])
    const [, complained] = /`([^`]*isf\.yml:3:31[^`]*)`/.exec(page)!
    const wrong = example!.replace('port: 8885', 'port: "8885"')
    expect(complaint(() => parseServers(wrong, '/srv/lab/isf.yml'))).toBe(complained)
  })
})

describe('Where nothing is configured', () => {
  const DEFAULT = ['redis://spock:8885', 'redis://localhost:6379', 'file:']

  function warned(): string[] {
    const heard: string[] = []
    vi.spyOn(process, 'emitWarning').mockImplementation((message) => void heard.push(String(message)))
    return heard
  }

  test.each([
    ['the variable is not set', undefined, 'ISF_DISTRIBUTED_LOCK_CONFIG is not set'],
    ['it is empty', '', 'ISF_DISTRIBUTED_LOCK_CONFIG names ""'],
    ['its path is missing', '/nowhere/isf.yml', 'ISF_DISTRIBUTED_LOCK_CONFIG names "/nowhere/isf.yml", which is not there'],
  ])('because %s, the three servers of the Python library are tried, with a warning, once', (_why, path, message) => {
    vi.stubEnv('ISF_DISTRIBUTED_LOCK_CONFIG', path)
    const heard = warned()
    const { entries, scope } = settingsFromEnvironment()
    settingsFromEnvironment()
    expect(entries.map(({ url }) => (url.scheme === 'redis' ? `redis://${url.host}:${url.port}` : `${url.scheme}:`))).toEqual(DEFAULT)
    expect(entries.map(({ timeoutMs }) => timeoutMs)).toEqual([1_000, 1_000, 2_000])
    expect(scope).toBe('host')
    expect(heard).toEqual([expect.stringContaining(message)])
  })

  test('locks work on the first of the three that answers', async () => {
    const home = folder()
    const space = `isf-test-${process.pid}`
    onTestFinished(() => rmSync(`/var/tmp/holdfast-${process.geteuid!()}/spaces/${space}`, { recursive: true, force: true }))
    const script = `
      import { getLock, getLockingServer } from 'holdfast/isf'
      const lock = getLock('/some/file')
      console.log(await lock.acquire(), await getLock('/some/file').acquire({ blocking: false }), await lock.release())
      console.log(JSON.stringify(await getLockingServer()))`
    const env = { ISF_DISTRIBUTED_LOCK_AGREEMENT: join(home, 'agreement'), ISF_DISTRIBUTED_LOCK_SPACE: space }
    const { code, stdout, stderr } = await new Program(process.execPath, ['--input-type=module', '-e', script], { env }).ended
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: expect.stringMatching(/^true false true\n\{"type":"(file|redis)"/) })
    expect(stderr).toContain('[HOLDFAST_ISF_DEFAULT]')
  })
})

describe('The environment', () => {
  test('names the file, whose folder is what directories are relative to', () => {
    const home = folder()
    writeFileSync(join(home, 'isf.yml'), '- {type: file, config: {directory: ./locks}}')
    vi.stubEnv('ISF_DISTRIBUTED_LOCK_CONFIG', join(home, 'isf.yml'))
    expect(settingsFromEnvironment()).toMatchObject({ base: home, python: false, space: 'isf', agreement: undefined })
    writeFileSync(join(home, 'isf.yml'), '- {type: files}')
    expect(complaint(settingsFromEnvironment)).toContain(`${home}/isf.yml:1:10 ([0].type)`)
  })

  test('says what the format has no words for, unless the program does', () => {
    vi.stubEnv('ISF_DISTRIBUTED_LOCK_PYTHON', '1')
    vi.stubEnv('ISF_DISTRIBUTED_LOCK_SCOPE', 'network')
    vi.stubEnv('ISF_DISTRIBUTED_LOCK_SPACE', 'lab')
    vi.stubEnv('ISF_DISTRIBUTED_LOCK_AGREEMENT', '/srv/agreement')
    const servers = [{ type: 'file' }]
    expect(settingsOf(servers, {})).toMatchObject({ python: true, scope: 'network', space: 'lab', agreement: '/srv/agreement' })
    expect(settingsOf(servers, { python: false, scope: 'host', space: 'x', agreement: '/y' })).toMatchObject({
      python: false,
      scope: 'host',
      space: 'x',
      agreement: '/y',
    })
    vi.stubEnv('ISF_DISTRIBUTED_LOCK_PYTHON', 'yes')
    expect(complaint(() => settingsOf(servers, {}))).toBe('ISF_DISTRIBUTED_LOCK_PYTHON is 1 or 0, not "yes".')
  })

  test.each([
    [[{ type: 'redis', config: {} }, { type: 'file' }], 'host'],
    [
      [
        { type: 'redis', config: { host: '127.0.0.2' } },
        { type: 'zookeeper', config: { hosts: 'localhost:2181,[::1]:2182' } },
      ],
      'host',
    ],
    [[{ type: 'redis', config: { unix_socket_path: '/run/redis.sock' } }, { type: 'file' }], 'host'],
    [[{ type: 'redis', config: { host: 'spock' } }, { type: 'file' }], 'network'],
    [[{ type: 'file' }, { type: 'zookeeper', config: { hosts: 'localhost,zk2' } }], 'network'],
  ])('or else the servers: %j are for the users of a %s', (servers, scope) => {
    expect(settingsOf(servers, {}).scope).toBe(scope)
  })

  test.each([
    [{ scope: 'hosts' }, 'The scope is "host" or "network"'],
    [{ python: 1 }, 'python is true or false'],
    [{ agreement: '' }, 'agreement is the path of a folder'],
    [null, 'the options are an object'],
  ])('refuses options that mean nothing: %j', (options, message) => {
    expect(complaint(() => settingsOf([{ type: 'file' }], options as object))).toContain(message)
  })
})

describe('The name of a lock', () => {
  test.each([
    ['results.db', '/results.db'],
    ['/data/mouse 7/results.db', '/%2Fdata%2Fmouse 7%2Fresults.db'],
    ['../x', '/..%2Fx'],
    ['..', '/%2E%2E'],
    ['.', '/%2E'],
    ['...', '/...'],
    ['100%', '/100%25'],
    ['%2Fdata', '/%252Fdata'],
    ['a\0b', '/a%00b'],
    ['é', '/é'],
  ])('%j is the path %j', (name, path) => {
    expect(pathOf(name)).toBe(path)
  })

  test('is one node below the root, and can be had back from it: no two names are one lock', () => {
    const seed = freshSeed()
    const next = generator(seed)
    const signs = ['/', '.', '%', '2', 'E', 'F', '0', '\0', 'a', 'é', '😀', ' ', '\\', '~']
    for (let round = 0; round < scaled(5_000); round++) {
      const name = Array.from({ length: 1 + (next() % 6) }, () => signs[next() % signs.length]!).join('')
      const [root, segment, ...more] = pathOf(name).split('/')
      expect({ root, more, back: decodeURIComponent(segment!) }, `HOLDFAST_TEST_SEED=${seed}`).toEqual({ root: '', more: [], back: name })
    }
  })

  test.each([
    ['', 'empty'],
    ['a\ud800', 'surrogate'],
    ['x'.repeat(5_000), 'bytes long'],
    [7, 'a string, not number'],
    [null, 'not null'],
  ])('is refused where it is none: %j', (name, message) => {
    expect(() => pathOf(name as string)).toThrow(
      expect.objectContaining({ code: 'LOCK_INVALID', message: expect.stringContaining(message) }),
    )
  })
})
