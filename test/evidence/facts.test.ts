// SPDX-License-Identifier: MIT
// What facts about a place mean for locks there, without the place.
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type FileLockKind, takeFileLock } from '../../src/evidence/file-locks.ts'
import { findMount, judgeMount, mountOf } from '../../src/evidence/file-system.ts'
import { FileSurvey, judgeRights, judgeRoom } from '../../src/evidence/files.ts'
import { handOffTimes } from '../../src/evidence/hand-off.ts'
import { nodeOf } from '../../src/evidence/hands.ts'
import { judgeRelease } from '../../src/evidence/kill.ts'
import { judgeClock, judgeRedis, type RedisFacts, type TimeSample } from '../../src/evidence/redis-facts.ts'
import { type Check, Findings } from '../../src/evidence/report.ts'
import { ownTree } from '../../src/evidence/stage.ts'
import { withParameter } from '../../src/evidence/survey.ts'
import type { Worker } from '../../src/evidence/worker.ts'
import { judgeServers, judgeSession, judgeVersions, judgeWrites, type ServerFacts } from '../../src/evidence/zookeeper-facts.ts'
import { LockSpace } from '../../src/index.ts'
import { memoryFolder, temporaryFolder } from '../support/file-folders.ts'

describe('A file system', () => {
  test.each([
    ['ext4', 'ok'],
    ['xfs', 'ok'],
    ['btrfs', 'ok'],
    ['tmpfs', 'warning'],
    ['overlay', 'warning'],
    ['fuse.sshfs', 'warning'],
    ['fuseblk', 'warning'],
    ['squirrelfs', 'warning'],
    ['nfs4', 'failed'],
    ['cifs', 'failed'],
    ['smb3', 'failed'],
    ['9p', 'failed'],
    ['ceph', 'failed'],
  ])('of type %s is %s, and named', (type, outcome) => {
    const finding = judgeMount({ type, point: '/srv', source: 'somewhere', readOnly: false })
    expect(finding).toMatchObject({ outcome, found: expect.stringContaining(type) })
    expect(finding.advice === undefined).toBe(outcome === 'ok')
  })

  test('that is read-only has failed, whatever its type', () => {
    expect(judgeMount({ type: 'ext4', point: '/srv', source: '/dev/sdb', readOnly: true }).outcome).toBe('failed')
  })

  const table = [
    '21 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
    '30 21 0:40 / /srv rw - tmpfs tmpfs rw',
    '31 30 0:41 / /srv/my\\040locks rw shared:3 - nfs4 server:/export rw',
    '32 21 0:42 / /srv-too ro - ext4 /dev/vdb ro',
    '33 30 0:43 / /srv/twice rw - ext4 /dev/vdc rw',
    '34 30 0:44 / /srv/twice rw - overlay overlay rw',
  ].join('\n')

  test.each([
    ['/home/me', '/', 'ext4'],
    ['/srv', '/srv', 'tmpfs'],
    ['/srv/my locks/a', '/srv/my locks', 'nfs4'],
    ['/srv-too/x', '/srv-too', 'ext4'],
    ['/srv/twice/x', '/srv/twice', 'overlay'],
  ])('is found for %s at %s', (path, point, type) => {
    expect(findMount(table, path)).toMatchObject({ point, type })
  })

  test('is that of the nearest folder which is there', () => {
    const folder = memoryFolder()
    expect(mountOf(join(folder, 'not', 'yet'))).toMatchObject({ type: 'tmpfs', point: '/dev/shm' })
  })
})

describe('The rights of a lock directory', () => {
  test.each([
    [0o700, 'ok', 'alone'],
    [0o755, 'ok', 'owner alone may lock'],
    [0o2770, 'ok', 'group'],
    [0o1777, 'ok', 'everybody'],
    [0o777, 'warning', 'remove'],
  ])('of mode %o are %s', (mode, outcome, word) => {
    expect(judgeRights({ mode, uid: 1, gid: 2 }, '/locks')).toMatchObject({ outcome, found: expect.stringContaining(word) })
  })
})

test.each([
  [2 ** 30, 100_000, 'ok'],
  [2 ** 30, null, 'ok'],
  [2 ** 20, 100_000, 'warning'],
  [2 ** 30, 100, 'warning'],
])('a disk with %i bytes and %s files left is %s', (bytes, files, outcome) => {
  expect(judgeRoom({ bytes, files, wroteMs: 1 }).outcome).toBe(outcome)
})

describe('Locks on files that do not keep another process out', () => {
  /** Tries as a worker does, in this process, where open files are told apart as well; what it tells may be a lie. */
  async function surveyed(lie: (kind: FileLockKind, got: boolean) => boolean): Promise<readonly Check[]> {
    const directory = temporaryFolder()
    const findings = new Findings(() => {})
    const worker = {
      fileLock(path: string, kind: FileLockKind, type: 'shared' | 'exclusive') {
        const fd = openSync(path, 'r+')
        const got = takeFileLock(fd, kind, type)
        closeSync(fd)
        return Promise.resolve(lie(kind, got))
      },
    }
    await new FileSurvey(directory).after(findings, worker as unknown as Worker)
    return findings.checks
  }
  const outcome = (checks: readonly Check[], name: string): string | undefined => checks.find(({ check }) => check === name)?.outcome

  test('are found: OFD locks fail, flock is a warning', async () => {
    const good = await surveyed((_, got) => got)
    expect([outcome(good, 'ofd-locks'), outcome(good, 'flock')]).toEqual(['ok', 'ok'])
    const open = await surveyed(() => true)
    expect([outcome(open, 'ofd-locks'), outcome(open, 'flock')]).toEqual(['failed', 'warning'])
    const shut = await surveyed(() => false)
    expect([outcome(shut, 'ofd-locks'), outcome(shut, 'flock')]).toEqual(['failed', 'warning'])
  })

  test('are found where flock is made of byte ranges', async () => {
    let flocks = 0
    const checks = await surveyed((kind, got) => {
      if (kind === 'flock') flocks++
      return kind === 'ofd' && flocks > 0 ? false : got
    })
    expect(checks.find(({ check }) => check === 'flock')).toMatchObject({
      outcome: 'warning',
      found: expect.stringContaining('byte-range'),
    })
  })
})

describe('A Redis server', () => {
  const good: Record<string, string> = {
    redis_version: '7.0.15',
    role: 'master',
    connected_slaves: '0',
    maxmemory: '0',
    maxmemory_policy: 'noeviction',
    aof_enabled: '1',
  }
  function judged(info: Record<string, string> | null, more: Partial<RedisFacts> = {}): Record<string, string> {
    const facts = { save: '', appendfsync: 'everysec', minReplicas: 0, refusal: null, roundTripMs: { p50: 1, p99: 2 } }
    const all = judgeRedis({ ...facts, info: info === null ? null : new Map(Object.entries({ ...good, ...info })), ...more })
    return Object.fromEntries(all.map(([name, { outcome }]) => [name, outcome]))
  }

  test('that is set up well is ok in everything', () => {
    expect(new Set(Object.values(judged({})))).toEqual(new Set(['ok']))
  })

  test.each<[string, Record<string, string>, Partial<RedisFacts>, string, string]>([
    ['too old', { redis_version: '6.0.16' }, {}, 'version', 'failed'],
    ['a replica', { role: 'slave', master_host: 'h', master_port: '1' }, {}, 'replication', 'failed'],
    ['with replicas that may lag', { connected_slaves: '2' }, {}, 'replication', 'warning'],
    ['with replicas that are waited for', { connected_slaves: '2', min_slaves_good_slaves: '2' }, { minReplicas: 1 }, 'replication', 'ok'],
    ['without the replicas that it needs', { min_slaves_good_slaves: '0' }, { minReplicas: 1 }, 'replication', 'failed'],
    ['that evicts', { maxmemory_policy: 'allkeys-lfu' }, {}, 'eviction', 'failed'],
    ['that evicts only what expires', { maxmemory_policy: 'volatile-ttl' }, {}, 'eviction', 'ok'],
    ['nearly full', { maxmemory: '1000', used_memory: '950' }, {}, 'memory', 'warning'],
    ['that keeps nothing', { aof_enabled: '0' }, {}, 'persistence', 'warning'],
    ['with snapshots alone', { aof_enabled: '0' }, { save: '900 1' }, 'persistence', 'warning'],
    ['that leaves writing to the system', {}, { appendfsync: 'no' }, 'persistence', 'warning'],
    ['that cannot write', { aof_last_write_status: 'err' }, {}, 'persistence', 'failed'],
    ['in a Cluster', { cluster_enabled: '1' }, {}, 'cluster', 'warning'],
    ['with a user without rights', {}, { refusal: { code: 'LOCK_DENIED', message: '' } }, 'rights', 'failed'],
    ['far away', {}, { roundTripMs: { p50: 80, p99: 90 } }, 'latency', 'warning'],
  ])('%s is found', (_, info, more, check, outcome) => {
    expect(judged(info, more)[check]).toBe(outcome)
  })

  test('that does not let us ask is not tried, and its rights are', () => {
    expect(judged(null)).toMatchObject({ version: 'not tried', eviction: 'not tried', rights: 'ok' })
  })

  const at = (ms: number, serverMs: number, tookMs = 1): TimeSample => ({
    sentAt: BigInt(ms) * 1_000_000n,
    answeredAt: BigInt(ms + tookMs) * 1_000_000n,
    serverUs: BigInt(serverMs) * 1_000n,
    wallMs: ms + 1_000_000,
  })

  test.each<[string, TimeSample[], string]>([
    ['steady', [at(0, 1_000_000), at(200, 1_000_200), at(400, 1_000_401)], 'ok'],
    ['ahead', [at(0, 1_000_000), at(200, 1_000_200), at(400, 1_003_400)], 'warning'],
    ['back', [at(0, 1_000_000), at(200, 999_000), at(400, 999_200)], 'warning'],
    ['in step, but for an answer that took long', [at(0, 1_000_000), at(200, 1_000_500, 900), at(1_200, 1_001_200)], 'ok'],
    ['an hour behind', [at(0, 1_000_000 - 3_600_000), at(200, 1_000_200 - 3_600_000)], 'warning'],
    ['silent', [], 'not tried'],
  ])('has a clock that is %s', (_, samples, outcome) => {
    expect(judgeClock(samples).outcome).toBe(outcome)
  })
})

describe('ZooKeeper servers', () => {
  const server = (mode: string, more: Partial<ServerFacts> = {}): ServerFacts => ({
    server: `${mode}:2181`,
    srvr: `Zookeeper version: 3.8.0-abc, built on\nMode: ${mode}\n`,
    mntr: mode === 'leader' ? 'zk_synced_followers\t2\n' : '',
    conf: 'tickTime=2000\n',
    ...more,
  })
  const ensemble = [server('leader'), server('follower'), server('follower')]
  const shut = { srvr: 'srvr is not executed because it is not in the whitelist.\n', mntr: '', conf: '' }

  test.each<[string, ServerFacts[], string, RegExp]>([
    ['all of an ensemble', ensemble, 'ok', /3 of 3 serve, 2 in step/],
    ['one server alone', [server('standalone')], 'ok', /alone/],
    ['one that does not answer', [...ensemble.slice(1), server('x', { srvr: null })], 'warning', /x:2181 does not answer; 2 of 3/],
    [
      'one without a quorum',
      [...ensemble.slice(1), server('x', { srvr: 'This ZooKeeper instance is not currently serving requests\n' })],
      'warning',
      /no quorum/,
    ],
    ['one of several, named alone', [server('follower')], 'warning', /others are not named/],
    ['several that know nothing of each other', [server('standalone'), server('standalone')], 'failed', /of their own/],
    ['those that do not tell', [server('x', shut)], 'not tried', /whitelist/],
  ])('are judged: %s', (_, all, outcome, found) => {
    expect(judgeServers(all)).toMatchObject({ outcome, found: expect.stringMatching(found) })
  })

  test('are of a version that knows what locks need', () => {
    expect(judgeVersions(ensemble)).toMatchObject({ outcome: 'ok', found: '3.8.0' })
    expect(judgeVersions([server('x', { srvr: 'Zookeeper version: 3.4.14-1, built\n' })]).outcome).toBe('failed')
    expect(judgeVersions([server('x', shut)]).outcome).toBe('not tried')
  })

  test.each([
    [10_000, 10_000, 'ok'],
    [2_000, 4_000, 'warning'],
    [100_000, 40_000, 'warning'],
    [3_000, 3_000, 'warning'],
  ])('grant a session: asked for %i, granted %i, is %s', (asked, granted, outcome) => {
    expect(judgeSession(asked, granted, ensemble).outcome).toBe(outcome)
  })

  test('may be slow to write', () => {
    expect([judgeWrites({ p50: 3, p99: 80 }), judgeWrites({ p50: 70, p99: 80 })].map(({ outcome }) => outcome)).toEqual(['ok', 'warning'])
  })
})

test.each([
  [{ ms: 3, leaseMs: 0, early: false }, 'ok'],
  [{ ms: 1_500, leaseMs: 0, early: false }, 'warning'],
  [{ ms: 2_100, leaseMs: 1_900, early: false }, 'ok'],
  [{ ms: 700, leaseMs: 1_900, early: true }, 'failed'],
  [{ ms: -1, leaseMs: 0, early: false }, 'failed'],
])('a lock of the dead that is free so late, %j, is %s', (release, outcome) => {
  expect(judgeRelease({ ...release, remark: '' }).outcome).toBe(outcome)
})

test('a hand-off counts where the next one had asked before the release', () => {
  const pass = (asked: number, granted: number, released: number) => ({
    asked: BigInt(asked) * 1_000_000n,
    granted: BigInt(granted) * 1_000_000n,
    released: BigInt(released) * 1_000_000n,
  })
  const one = [pass(0, 0, 10), pass(11, 23, 30), pass(31, 33, 40)]
  const other = [pass(2, 12, 20), pass(39, 44, 50)]
  // 10 to 12 and 20 to 23; from 30 the same one goes on, and at 40 the other had only just asked.
  expect(handOffTimes([one, other], 2)).toEqual([2, 3])
})

test('each examination of a space has a tree of its own, which the next one uses again', async () => {
  const space = new LockSpace()
  const [first, second] = [await ownTree(space), await ownTree(space)]
  expect(first.root).not.toBe(second.root)
  await first.guard?.release()
  expect((await ownTree(space)).root).toBe(first.root)
  for (let i = 0; i < 20; i++) await ownTree(space)
  const late = await ownTree(space)
  expect(late.guard).toBeNull()
  expect(nodeOf(`${late.root}/a/b`)).toEqual({ key: `${late.root}/a/b`, ancestors: [late.root, `${late.root}/a`] })
})

test.each([
  ['redis://h', 'redis://h?lease=2s'],
  ['redis://h/1?space=a', 'redis://h/1?space=a&lease=2s'],
  ['redis://h?lease=30s&prefer=writers', 'redis://h?prefer=writers&lease=2s'],
])('%s with another lease is %s', (url, changed) => {
  expect(withParameter(url, 'lease', '2s')).toBe(changed)
})
