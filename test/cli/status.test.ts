// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { statusTree } from '../../src/cli/status-tree.ts'
import type { Holder, Inspection, Owner, Waiter } from '../../src/core/inspection.ts'
import { holdfast, MAIN, Program, place, start, UNTIL_TOLD } from './program.ts'

const NOW = Date.parse('2026-05-04T12:00:00Z')

function holder(id: string, paths: { read?: string[]; write?: string[] }, ageSeconds: number, more: Partial<Holder> = {}): Holder {
  return {
    id,
    state: 'held',
    read: paths.read ?? [],
    write: paths.write ?? [],
    claims: [],
    since: new Date(NOW - ageSeconds * 1000).toISOString(),
    token: id,
    name: null,
    owner: { pid: Number(id), thread: 0, host: 'lab', command: `job-${id}` },
    ...more,
  }
}

function waiter(id: string, paths: { read?: string[]; write?: string[] }, ageSeconds: number, waitsFor: string[]): Waiter {
  return { ...holder(id, paths, ageSeconds), state: 'waiting', token: null, waitsFor }
}

function drawn(
  holders: Holder[],
  waiters: Waiter[] = [],
  style: { width?: number; colours?: boolean } = {},
  silent: Owner[] = [],
): string[] {
  const seen: Inspection = { backend: 'file', holders, waiters, silent }
  return statusTree(seen, { now: NOW, ...style })
    .trimEnd()
    .split('\n')
}

describe('The tree of holdfast status', () => {
  test('has a row for every path that is held, and waiters below what they wait for', () => {
    const lines = drawn(
      [
        holder('1', { read: ['/atlas'] }, 12),
        holder('2', { read: ['/atlas'] }, 7),
        holder('3', { write: ['/mouse-7/session-1'] }, 200, { name: 'import' }),
        holder('4', { read: ['/mouse-7/session-2/raw'] }, 90_000),
      ],
      [
        waiter('5', { write: ['/mouse-7'] }, 5, ['3', '4']),
        waiter('6', { read: ['/mouse-7/session-2/raw'] }, 4, ['5']),
        waiter('7', { write: ['/atlas'] }, 3, ['1', '2']),
      ],
    )
    expect(lines).toEqual(
      [
        'PATH                                 MODE            PID@HOST  SINCE  TOKEN  COMMAND',
        '/',
        '├─ atlas                             read            1@lab     12 s   1      job-1',
        '│  │                                 read            2@lab     7 s    2      job-2',
        '│  └╌ /atlas                         waits to write  7@lab     3 s           job-7',
        '└─ mouse-7',
        '   ├─ session-1                      write           3@lab     3 min  3      "import" job-3',
        '   │  └╌ /mouse-7                    waits to write  5@lab     5 s           job-5',
        '   │     └╌ /mouse-7/session-2/raw   waits to read   6@lab     4 s           job-6',
        '   └─ session-2/raw                  read            4@lab     1 d    4      job-4',
        '4 hold, 3 wait.',
      ].map((line) => (line.startsWith('4 hold') ? line : expect.stringMatching(sameColumns(line)))),
    )
  })

  test('joins a path along which nothing else happens to one row', () => {
    expect(drawn([holder('1', { write: ['/a/b/c'] }, 1)])[1]).toMatch(/^\/a\/b\/c {2}write/)
  })

  test('shows a request under each of its paths, and a waiter under the one that it is about', () => {
    const lines = drawn(
      [holder('1', { read: ['/from'], write: ['/to'] }, 1)],
      [waiter('2', { read: ['/to/x'], write: ['/new'] }, 1, ['1'])],
    )
    expect(lines.map((line) => line.replace(/ +[12]@lab.*/, ''))).toEqual([
      expect.stringContaining('PATH'),
      '/',
      expect.stringMatching(/^├─ from +read$/),
      expect.stringMatching(/^└─ to +write$/),
      expect.stringMatching(/^ {3}└╌ \/new +waits to write$/),
      expect.stringMatching(/^ {6}and \/to\/x +waits to read$/),
      '1 holds, 1 waits.',
    ])
  })

  test('shows whoever waits for somebody unseen at the path that it wants, and those who do not say what they hold', () => {
    const lines = drawn([], [waiter('1', { write: ['/a'] }, 2, [])], {}, [{ pid: 7, thread: 0, host: 'lab', command: 'sleep 60' }])
    expect(lines[1]).toMatch(/^\/a {4}waits to write {2}1@lab/)
    expect(lines[2]).toMatch(/^\? {5}silent {10}7@lab +sleep 60$/)
    expect(lines.at(-1)).toBe('0 hold, 1 waits, 1 holds something and does not say what.')
  })

  test('shows the root as a path like others', () => {
    const lines = drawn([holder('1', { read: ['/'] }, 1), holder('2', { read: ['/a'] }, 1)])
    expect(lines[1]).toMatch(/^\/ +read +1@lab/)
    expect(lines[2]).toMatch(/^└─ a +read +2@lab/)
  })

  test('says so when there is nothing to show', () => {
    expect(drawn([])).toEqual(['Nobody holds or waits (file).'])
  })

  test('cuts commands to the width of the terminal', () => {
    const lines = drawn([holder('1', { read: ['/a'] }, 1, { owner: { pid: 1, thread: 2, host: 'lab', command: 'x'.repeat(100) } })], [], {
      width: 60,
    })
    expect(lines[1]).toHaveLength(60)
    expect(lines[1]).toMatch(/1\.2@lab.*x…$/)
  })

  test('shows control characters of other people’s names instead of obeying them', () => {
    const text = drawn([holder('1', { read: ['/a\u001b[2J'] }, 1, { name: 'b\r\n' })]).join('\n')
    expect(text).toContain('/a\\x1b[2J')
    expect(text).toContain('"b\\x0d\\x0a"')
  })

  test('marks waiters by a colour where colours are wanted', () => {
    const lines = drawn([holder('1', { write: ['/a'] }, 1)], [waiter('2', { write: ['/a'] }, 1, ['1'])], { colours: true })
    expect(lines[0]).toSatisfy((line: string) => line.startsWith('\u001b[1m'))
    expect(lines[1]).not.toContain('\u001b')
    expect(lines[2]).toSatisfy((line: string) => line.startsWith('\u001b[33m'))
  })
})

/** The line, with as many spaces between its cells as it takes. */
function sameColumns(line: string): RegExp {
  return new RegExp(
    `^${line.trimStart() === line ? '' : line.slice(0, line.length - line.trimStart().length)}${line
      .trim()
      .split(/ {2,}/)
      .map((cell) => cell.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join(' {2,}')}$`,
  )
}

describe('holdfast status', () => {
  test('shows the holders and waiters of all processes, and with --json all that inspect() knows', async () => {
    const { url, locks } = place()
    const holding = start(['run', '--on', url, '--name', 'import', '/mouse-7/session-1', '--', ...UNTIL_TOLD])
    await holding.says(/ready/)
    const waiting = start(['run', '--on', url, '-s', '/mouse-7', '--', 'true'])
    await waiting.says(/waiting/, 'stderr')
    const { stdout, code } = await holdfast(['status', '--on', url])
    expect(stdout).toMatch(
      /^\/mouse-7\/session-1 +write +\d+@\S+ +\d+ s +\d+ +"import" sh -c echo.*\n└╌ \/mouse-7 +waits to read +\d+@\S+ +\d+ s +true\n1 holds, 1 waits\.\n$/m,
    )
    expect(code).toBe(0)
    const seen = JSON.parse((await holdfast(['status', '--json', '--on', url])).stdout)
    const here = await locks()
    const [{ since: _since, ...holder }] = JSON.parse(JSON.stringify((await here.inspect()).holders))
    expect(seen.holders).toEqual([{ ...holder, since: expect.stringMatching(/^\d{4}-.*Z$/) }])
    expect(Object.keys(seen)).toEqual(Object.keys(await here.inspect()))
    expect(seen.waiters[0].waitsFor).toEqual([seen.holders[0].id])
    await holding.finish()
    expect((await waiting.ended).code).toBe(0)
  })

  test('shows no colours in a pipe', async () => {
    const { url, locks } = place()
    await (await locks()).write('/a')
    expect((await holdfast(['status', '--on', url])).stdout).not.toContain('\u001b')
  })

  test.each<[string, NodeJS.ProcessEnv, boolean]>([
    ['shows colours on a terminal', {}, true],
    ['shows none with NO_COLOR', { NO_COLOR: '1' }, false],
  ])('%s', async (_what, env, coloured) => {
    const { url, locks } = place()
    await (await locks()).write('/a')
    const line = `exec '${process.execPath}' '${MAIN}' status --on '${url}'`
    const program = new Program('script', ['-qec', line, '/dev/null'], { env: { SHELL: '/bin/sh', TERM: 'xterm', ...env } })
    const { stdout } = await program.ended
    expect(stdout).toContain('/a')
    expect(stdout.includes('\u001b[')).toBe(coloured)
  })

  test('says nothing when its reader has gone', async () => {
    const { url } = place()
    const script = `sleep 0.3 | true; '${process.execPath}' '${MAIN}' status --on '${url}' | true; echo "\${PIPESTATUS[0]}"`
    expect(await new Program('bash', ['-c', script]).finish()).toMatchObject({ stdout: '0\n', stderr: '' })
  })
})
