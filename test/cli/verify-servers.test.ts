// SPDX-License-Identifier: MIT
// `holdfast verify` on real servers, good ones and bad ones.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { getChildren } from '../../src/backends/zookeeper/wire/operations.ts'
import { ZooKeeperSession } from '../../src/backends/zookeeper/wire/session.ts'
import type { Report } from '../../src/evidence/report.ts'
import { freePort, startRedis } from '../redis/server.ts'
import { temporaryFolder } from '../support/file-folders.ts'
import { startEnsemble } from '../zookeeper/ensemble.ts'
import { startZooKeeper } from '../zookeeper/server.ts'
import { holdfast, start } from './program.ts'
import { FAILED, figures, reportOf, those, warned } from './verify-report.ts'

describe('On Redis', () => {
  test('it proves that locks hold on a good server, and leaves only the space', async () => {
    await using server = await startRedis({ args: ['--appendonly', 'yes'] })
    const result = await holdfast(['verify', '--json', '--on', `redis://127.0.0.1:${server.port}`])
    const report = reportOf(result)
    expect(result.code).toBe(0)
    expect(report.engine).toBe('redis')
    expect({ ...those(report, 'failed'), ...those(report, 'not tried'), ...warned(report) }).toEqual({})
    expect(report.checks.map(({ check }) => check)).toEqual(
      expect.arrayContaining(['version', 'eviction', 'persistence', 'replication', 'rights', 'clock', 'latency', 'kill', 'tokens', 'load']),
    )
    // After the lease of the space beside, and not before.
    expect(figures(report, 'kill').freeAfterMs).toBeGreaterThan(200)
    const operator = new Redis(server.port, '127.0.0.1')
    onTestFinished(() => operator.disconnect())
    expect(await operator.keys('*')).toEqual(['holdfast:{default}'])
    expect((await operator.hkeys('holdfast:{default}')).filter((field) => !field.startsWith('#'))).toEqual([])
  })

  test('it warns of a server that keeps nothing', async () => {
    await using server = await startRedis()
    const result = await holdfast(['verify', '--json', '--on', `redis://127.0.0.1:${server.port}?lease=1s`])
    const report = reportOf(result)
    expect(result.code).toBe(0)
    expect(report).toMatchObject({ verdict: 'warning', sentence: expect.stringMatching(/a warning about .*persistence/) })
    expect(warned(report)).toEqual({ persistence: expect.stringMatching(/forgotten all locks/) })
    expect(report.checks.find(({ check }) => check === 'kill')?.found).toMatch(/^free .* after the kill$/)
  })

  test('it looks at the server that a configuration chose, and tries locks as its users do', async () => {
    await using server = await startRedis({ args: ['--requirepass', 'secret', '--appendonly', 'yes'] })
    const nobody = await freePort()
    const home = temporaryFolder()
    const config = join(home, 'holdfast.config.yml')
    const engines = `engines: ["redis://127.0.0.1:${nobody}", "redis://:secret@127.0.0.1:${server.port}?lease=1s"]`
    writeFileSync(config, `${engines}\nscope: host\nspace: lab\nagreement: ./agreement\n`)
    const result = await holdfast(['verify', '--json'], { env: { HOLDFAST_CONFIG: config } })
    const report = reportOf(result)
    expect(result.code).toBe(0)
    expect(report).toMatchObject({ engine: 'redis', url: `redis://…@127.0.0.1:${server.port}?lease=1s&space=lab` })
    expect(result.stdout).not.toContain('secret')
    expect({ ...those(report, 'failed'), ...those(report, 'not tried') }).toEqual({})
    expect(report.checks.map(({ check }) => check)).toEqual(expect.arrayContaining(['eviction', 'persistence', 'rights', 'kill', 'load']))
  })

  test('it says of a configuration that leads nowhere why no engine serves, and refuses two', async () => {
    const home = temporaryFolder()
    const config = join(home, 'holdfast.config.yml')
    const [one, other] = [await freePort(), await freePort()]
    const engines = `engines: ["redis://127.0.0.1:${one}", "redis://127.0.0.1:${other}"]`
    writeFileSync(config, `${engines}\nscope: host\nagreement: ./agreement\n`)
    const both = await holdfast(['verify'], { env: { HOLDFAST_CONFIG: config, HOLDFAST_URL: 'memory:' } })
    expect(both).toMatchObject({ code: 64, stdout: '', stderr: expect.stringContaining('unset one') })
    const down = reportOf(await holdfast(['verify', '--json'], { env: { HOLDFAST_CONFIG: config } }))
    expect(down).toMatchObject({ verdict: 'failed', url: null })
    expect(those(down, 'failed')).toEqual({ open: expect.stringMatching(/No engine of the configuration answers/) })
  })

  test('it does not wait for a long lease, and leaves nothing held, where the user may go to no other space', async () => {
    await using server = await startRedis({ args: ['--appendonly', 'yes'] })
    const operator = new Redis(server.port, '127.0.0.1')
    onTestFinished(() => operator.disconnect())
    await operator.call('ACL', 'SETUSER', 'guest', 'on', '>secret', '~holdfast:{default}*', '&*', '+@all')
    const report = reportOf(await holdfast(['verify', '--json', '--on', `redis://guest:secret@127.0.0.1:${server.port}?lease=30s`]))
    expect(those(report, 'failed')).toEqual({})
    expect(those(report, 'not tried')).toEqual({ kill: expect.stringContaining('longer than this examination') })
  })

  test('it fails on a server that evicts, on a replica, and for a user without rights', async () => {
    await using server = await startRedis({ args: ['--appendonly', 'yes'] })
    await using replica = await startRedis({ args: ['--replicaof', '127.0.0.1', `${server.port}`] })
    const operator = new Redis(server.port, '127.0.0.1')
    onTestFinished(() => operator.disconnect())
    await operator.call('ACL', 'SETUSER', 'guest', 'on', '>secret', '~other:*', '+@all')
    const examined = async (url: string): Promise<[number | null, Report]> => {
      const result = await holdfast(['verify', '--json', '--on', url])
      return [result.code, reportOf(result)]
    }
    const [code, denied] = await examined(`redis://guest:secret@127.0.0.1:${server.port}`)
    expect(code).toBe(FAILED)
    expect(those(denied, 'failed')).toEqual({ rights: expect.stringMatching(/access list/) })
    expect(JSON.stringify(denied)).not.toContain('secret')
    const [, behind] = await examined(`redis://127.0.0.1:${replica.port}`)
    expect(those(behind, 'failed')).toEqual({ replication: expect.stringContaining(`replica of 127.0.0.1:${server.port}`) })
    await operator.config('SET', 'maxmemory-policy', 'allkeys-lru')
    const [, evicting] = await examined(`redis://127.0.0.1:${server.port}`)
    expect(those(evicting, 'failed')).toEqual({ eviction: expect.stringContaining('allkeys-lru') })
    expect(evicting.checks.find(({ check }) => check === 'eviction')?.advice).toContain('noeviction')
    expect(evicting.seconds).toBeLessThan(5)
  })

  test('it ends soon when the server freezes meanwhile, and says so', async () => {
    await using server = await startRedis({ args: ['--appendonly', 'yes'] })
    const program = start(['verify', '--on', `redis://127.0.0.1:${server.port}?lease=1s`])
    await program.says(/^ok +lock space/m)
    process.kill(server.pid, 'SIGSTOP')
    const { code, stdout } = await program.ended
    expect(code).toBe(FAILED)
    expect(stdout).toMatch(/^FAILED/m)
    expect(stdout).toMatch(/^not tried .*exclusion under load/m)
  })

  test('^C gives back what it held', async () => {
    await using server = await startRedis({ args: ['--appendonly', 'yes'] })
    const program = start(['verify', '--on', `redis://127.0.0.1:${server.port}`])
    await program.says(/^ok +a try that answers busy/m)
    program.child.kill('SIGINT')
    expect((await program.ended).code).toBe(130)
    const operator = new Redis(server.port, '127.0.0.1')
    onTestFinished(() => operator.disconnect())
    expect(await operator.keys('*')).toEqual(['holdfast:{default}'])
  })
})

describe('On ZooKeeper', () => {
  test('it proves that locks hold on a good server, leaves only the space, and says that a frozen one is frozen', async () => {
    await using server = await startZooKeeper()
    const url = `zookeeper://${server.address}/verified/here`
    const report = reportOf(await holdfast(['verify', '--json', '--on', url]))
    expect(report.engine).toBe('zookeeper')
    expect({ ...those(report, 'failed'), ...those(report, 'not tried'), ...warned(report) }).toEqual({})
    expect(report.checks.map(({ check }) => check)).toEqual(
      expect.arrayContaining(['version', 'ensemble', 'session', 'containers', 'writes', 'kill', 'tokens', 'load']),
    )
    expect(figures(report, 'session')).toEqual({ askedMs: 10_000, grantedMs: 10_000 })
    const none = { suspended() {}, resumed() {}, renewed() {}, ended() {} }
    const servers = [{ host: server.host, port: server.port }]
    const session = await ZooKeeperSession.open({ servers, timeoutMs: 5_000, auth: [], openWithinMs: 5_000 }, none)
    expect((await session.request(getChildren('/verified/here'))).sort()).toEqual(['locks', 'members', 'space', 'waiting'])
    expect(await session.request(getChildren('/verified/here/members'))).toEqual([])
    for (const queue of await session.request(getChildren('/verified/here/locks')))
      expect(await session.request(getChildren(`/verified/here/locks/${queue}`))).toEqual([])
    await session.close()
    await server.pause()
    const began = performance.now()
    const frozen = await holdfast(['verify', '--on', url])
    expect(performance.now() - began).toBeLessThan(10_000)
    expect(frozen.code).toBe(FAILED)
    expect(frozen.stdout).toMatch(/^FAILED +connection +ZooKeeper at .* did not answer/m)
    expect(frozen.stdout).toMatch(/^Do not rely on locks here: connection failed; 8 not tried/m)
  })

  test('it names the server of an ensemble that does not answer, and a session that is not as asked for', async () => {
    await using ensemble = await startEnsemble(3, { sessionTimeouts: { max: 8_000 } })
    await (await ensemble.followers())[0]!.pause()
    const report = reportOf(await holdfast(['verify', '--json', '--on', `zookeeper://${ensemble.addresses}/verified`]))
    expect(report.verdict).toBe('warning')
    expect(warned(report)).toEqual({
      ensemble: expect.stringMatching(/does not answer; 2 of 3 serve/),
      session: expect.stringMatching(/asked for 10.0 s, granted 8.0 s/),
    })
  })
})
