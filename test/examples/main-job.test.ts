// SPDX-License-Identifier: MIT
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { falseAlarms, intrusions, percentile, waits } from '../../examples/main-job/figures.ts'
import { readOptions } from '../../examples/main-job/options.ts'
import type { PhaseResult } from '../../examples/main-job/phase.ts'
import { Progress } from '../../examples/main-job/progress.ts'
import { type Hold, Recording, type Role, type Span } from '../../examples/main-job/records.ts'
import { complaints, table } from '../../examples/main-job/report.ts'
import { escapeText } from '../../examples/main-job/svg.ts'
import { drawTimeline, type Panel } from '../../examples/main-job/timeline.ts'
import { panelOfKill, panelOfTornReads } from '../../examples/main-job/windows.ts'

const PROGRAM = fileURLToPath(new URL('../../build/examples/main-job/main.js', import.meta.url))

describe('the main job as a program', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('shows torn reads without locks, none with them, and the time from the kill to the next grant', { timeout: 90_000 }, async () => {
    const { code, stdout, stderr } = await ended(start('--seconds', '1'))
    expect(stderr).toMatch(/SIGKILL to writer 1, in the middle of its rewrite/)
    expect(stdout).toMatch(/^torn reads +[1-9]\d* \(\d+ %\) +0$/m)
    expect(stdout).toMatch(/^let in beside a writer +[1-9]\d* +0$/m)
    expect(stdout).toMatch(/^ {2}from the kill to the next grant +– +\d+\.\d ms$/m)
    expect(stdout).toMatch(/^processes stuck +0 +0$/m)
    expect(stdout).toMatch(/^files whole at the end .* 3 of 3$/m)
    expect(code).toBe(0)

    const timeline = stdout.trimEnd().split('\n').at(-1) ?? ''
    expect(readdirSync(folder).map((name) => join(folder, name))).toEqual([timeline])
    const svg = readFileSync(timeline, 'utf8')
    expect(elementsOf(svg).get('svg')).toBe(1)
    expect(svg).toContain('SIGKILL to writer 1')
    expect(svg).toContain('class="restored"')
  })

  test('fails, and says why, when the locks do not reach from one process to the other', { timeout: 90_000 }, async () => {
    const { code, stdout, stderr } = await ended(start('--seconds', '1', '--on', 'memory:'))
    expect(stdout).toMatch(/^- With locks somebody was let in beside a writer \d+ times\.$/m)
    expect(stdout).toMatch(/^- With locks somebody met a half-written file that no writer had died on \d+ times\.$/m)
    expect(stderr).toContain('are kept in')
    expect(code).toBe(1)
  })

  test('leaves nothing behind when it is interrupted', { timeout: 60_000 }, async () => {
    const child = start('--seconds', '30')
    await new Promise((resolve) => child.stderr?.once('data', resolve))
    child.kill('SIGINT')
    const { code } = await ended(child)
    expect(code).toBe(130)
    expect(readdirSync(folder)).toEqual([])
  })

  test('tells a wrong option from a failure', { timeout: 60_000 }, async () => {
    const { code, stderr } = await ended(start('--writers', '1'))
    expect(stderr).toContain('--writers is a number from 2 to 64, not "1".')
    expect(code).toBe(64)
    expect((await ended(start('--on', 'ftp:locks'))).code).toBe(64)
    expect(readdirSync(folder)).toEqual([])
  })

  function start(...options: readonly string[]): ChildProcess {
    return spawn(process.execPath, [PROGRAM, ...options], { env: { ...process.env, TMPDIR: folder }, stdio: ['ignore', 'pipe', 'pipe'] })
  }
})

describe('options', () => {
  test('have defaults', () => {
    expect(readOptions([])).toEqual({ seconds: 4, readers: 3, writers: 2, on: null, keep: false, out: null, help: false })
  })

  test.each([['--seconds', 'soon'], ['--seconds', ''], ['--seconds', '0'], ['--readers', '1.5'], ['--readers', '0'], ['--colour']])(
    'refuse %s %s',
    (...args) => {
      expect(() => readOptions(args)).toThrow(args[0])
    },
  )
})

describe('figures', () => {
  test('a percentile is a value that was measured', () => {
    const hundred = Array.from({ length: 100 }, (_, at) => 100 - at)
    expect([1, 50, 99, 100].map((percent) => percentile(hundred, percent))).toEqual([1, 50, 99, 100])
    expect(percentile([7], 99)).toBe(7)
    expect(percentile([], 50)).toBeNull()
  })

  test('waits are those of one role, and only of who was let in', () => {
    const spans = [hold('reader', 'a', 0, 9, { asked: -3 }), hold('writer', 'a', 0, 9), { ...hold('reader', 'a', 0, 9), granted: null }]
    expect(waits(spans, 'reader')).toEqual([3])
  })

  test('two readers are no intrusion; anybody beside a writer is, in the same file', () => {
    expect(intrusions([hold('reader', 'a', 0, 5), hold('reader', 'a', 1, 6)])).toBe(0)
    expect(intrusions([hold('writer', 'a', 0, 5), hold('reader', 'a', 4, 9)])).toBe(1)
    expect(intrusions([hold('writer', 'a', 0, 5), hold('reader', 'a', 5, 9)])).toBe(0)
    expect(intrusions([hold('writer', 'a', 0, 5), hold('writer', 'b', 1, 3)])).toBe(0)
    expect(intrusions([{ ...hold('writer', 'a', 0, 0), ended: null }, hold('reader', 'a', 90, 91)])).toBe(1)
  })

  test('intrusions are the pairs that overlap and are not both readers', () => {
    const span = fc
      .tuple(fc.constantFrom<Role>('reader', 'writer'), fc.constantFrom('a', 'b'), fc.nat(40), fc.integer({ min: 1, max: 15 }))
      .map(([role, study, from, length]) => hold(role, study, from, from + length))
    fc.assert(
      fc.property(fc.array(span, { maxLength: 30 }), (spans) => {
        const pairs = spans.flatMap((one, at) => spans.slice(at + 1).map((other) => [one, other] as const))
        const overlapping = pairs.filter(
          ([one, other]) =>
            one.study === other.study &&
            (one.role === 'writer' || other.role === 'writer') &&
            one.granted < other.ended! &&
            other.granted < one.ended!,
        )
        expect(intrusions(spans)).toBe(overlapping.length)
      }),
    )
  })

  test('a skipped read is explained by the kill, in its file, until the file is restored; any other is a false alarm', () => {
    const kill = { study: 'a', at: 10 }
    const skipped = (study: string, at: number): Hold => hold('reader', study, at, at + 1, { outcome: 'skipped' })
    const restored = (at: number): Hold => hold('writer', 'a', at, at + 5, { outcome: 'restored' })
    expect(falseAlarms([skipped('a', 11), skipped('a', 12), restored(20)], kill)).toBe(0)
    expect(falseAlarms([skipped('a', 9), restored(20)], kill)).toBe(1)
    expect(falseAlarms([skipped('b', 11), restored(20)], kill)).toBe(1)
    expect(falseAlarms([skipped('a', 26), restored(20), restored(30)], kill)).toBe(2)
    expect(falseAlarms([skipped('a', 11)], null)).toBe(1)
  })

  test('records become spans, and a worker that is in the middle of something has an open one', () => {
    const recording = new Recording()
    recording.add('reader 1', 'reader', { event: 'asked', at: 1, study: 'a' })
    recording.add('writer 1', 'writer', { event: 'asked', at: 2, study: 'a' })
    recording.add('reader 1', 'reader', { event: 'granted', at: 3, token: '17' })
    recording.add('reader 1', 'reader', { event: 'ended', at: 4, outcome: 'whole', content: 'array.h5' })
    expect(recording.spans).toEqual([
      {
        worker: 'reader 1',
        role: 'reader',
        study: 'a',
        asked: 1,
        granted: 3,
        ended: 4,
        token: '17',
        outcome: 'whole',
        content: 'array.h5',
      },
      { worker: 'writer 1', role: 'writer', study: 'a', asked: 2, granted: null, ended: null, token: null, outcome: null, content: null },
    ])
    expect(recording.latest('writer 1')).toBe(recording.spans[1])
    expect(recording.count('whole')).toBe(1)
  })
})

describe('the judgement', () => {
  const torn = [hold('writer', 'a', 0, 9, { outcome: 'rewritten' }), hold('reader', 'a', 1, 8, { outcome: 'torn' })]
  const without = phase({ locked: false, spans: torn })
  const killed = hold('writer', 'a', 10, 50, { outcome: 'killed' })
  const next = hold('reader', 'a', 52.5, 53, { outcome: 'skipped' })
  const restored = hold('writer', 'a', 54, 60, { outcome: 'restored' })
  const whole = hold('reader', 'a', 61, 70, { outcome: 'whole', asked: 59 })
  const kill = { worker: 'writer 1', study: 'a', at: 50, next }
  const within = phase({ locked: true, spans: [killed, next, restored, whole], kill })

  test('is content with torn reads before and none after', () => {
    expect(complaints(without, within)).toEqual([])
    expect(table([without, within])).toMatch(/^ {2}from the kill to the next grant +– +2\.5 ms$/m)
  })

  test.each<[string, PhaseResult, PhaseResult]>([
    ['no read was torn', phase({ locked: false }), within],
    ['nobody has read', without, { ...within, spans: [killed, next, restored] }],
    ['1 reads were torn', without, { ...within, spans: [...within.spans, hold('reader', 'a', 80, 81, { outcome: 'torn' })] }],
    ['let in beside a writer 1 times', without, { ...within, spans: [...within.spans, hold('reader', 'a', 55, 56)] }],
    [
      'that no writer had died on 1 times',
      without,
      { ...within, spans: [...within.spans, hold('reader', 'a', 80, 81, { outcome: 'skipped' })] },
    ],
    ['never got to the middle', without, { ...within, kill: null }],
    ['nobody was let in', without, { ...within, kill: { ...kill, next: null } }],
    ['Nobody restored', without, { ...within, spans: [killed, next, whole] }],
    ['1 files are damaged', without, { ...within, wholeAtEnd: 0 }],
    ['Stuck with locks: reader 1', without, { ...within, stuck: ['reader 1'] }],
    ['reader 1: out of luck', without, { ...within, failures: ['reader 1: out of luck'] }],
  ])('complains when %s', (text, before, after) => {
    expect(complaints(before, after).join('\n')).toContain(text)
  })

  test('is drawn: torn reads, the kill, and names that need escaping', () => {
    const svg = drawTimeline('A & B', 'x < y', [panelOfTornReads(without), panelOfKill(within)])
    const elements = elementsOf(svg)
    expect(elements.get('svg')).toBe(1)
    expect(elements.get('circle')).toBe(2) // the legend's and the one skipped read
    expect(svg).toContain('A &amp; B')
    expect(svg).toContain('2.5 ms later reader 1 was in')
    expect(svg.match(/class="torn"/g)).toHaveLength(2)
  })

  test('is drawn also when there was no kill and nothing happened', () => {
    const empty = phase({ locked: true })
    expect(elementsOf(drawTimeline('', '', [panelOfTornReads(empty), panelOfKill(empty)])).get('svg')).toBe(1)
  })
})

describe('the time line', () => {
  const panel: Panel = {
    title: 't',
    subtitle: 's',
    lanes: [{ name: 'reader 1', role: 'reader' }],
    studies: ['a'],
    spans: [],
    from: 100,
    to: 200,
    origin: 100,
    axis: 'milliseconds',
    kill: null,
  }

  test('draws what reaches into its window, cut at the edges, and nothing else', () => {
    const at = (from: number, to: number): readonly string[] => {
      const svg = drawTimeline('', '', [{ ...panel, spans: [hold('reader', 'a', from, to)] }])
      return [...svg.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="11" rx="1.5" class="reader"/g)]
        .slice(1)
        .map((match) => `${match[1]}+${match[2]}`)
    }
    expect(at(0, 99)).toEqual([])
    expect(at(201, 300)).toEqual([])
    expect(at(0, 300)).toEqual(['116+1100'])
    expect(at(150, 160)).toEqual(['666+110'])
  })

  test('shows a wait as a line from asking to being let in, or to the edge', () => {
    const waiting = { ...hold('reader', 'a', 0, 0, { asked: 150 }), granted: null, ended: null }
    const svg = drawTimeline('', '', [{ ...panel, spans: [waiting] }])
    expect(svg).toMatch(/<line x1="666" y1="[\d.]+" x2="1216" y2="[\d.]+" class="wait"\/>/)
  })

  test('escapes whatever a file may be called', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        expect(escapeText(name)).not.toMatch(/[<>"]|&(?!amp;|lt;|gt;|quot;)/)
        elementsOf(drawTimeline(name, name, [{ ...panel, studies: [name] }]))
      }),
      { numRuns: 50 },
    )
  })
})

test('without a terminal the progress is a few plain lines', () => {
  const written: string[] = []
  const progress = new Progress({ write: (text) => written.push(text) })
  progress.begin('without locks', 4, new Recording())
  progress.note('a note')
  progress.end()
  expect(written).toEqual(['without locks: 4 s\n', 'a note\n'])
})

function hold(role: Role, study: string, granted: number, ended: number, more: Partial<Span> = {}): Hold {
  return { worker: `${role} 1`, role, study, asked: granted, granted, ended, token: null, outcome: null, content: null, ...more } as Hold
}

function phase(more: Partial<PhaseResult>): PhaseResult {
  const members = [
    { name: 'writer 1', role: 'writer' as const },
    { name: 'reader 1', role: 'reader' as const },
  ]
  const title = more.locked ? 'with locks' : 'without locks'
  const nothing = { spans: [], startedAt: 0, endedAt: 100, kill: null, stuck: [], failures: [], wholeAtEnd: 1 }
  return { title, locked: true, members, studies: ['a'], ...nothing, ...more }
}

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function ended(child: ChildProcess): Promise<Ended> {
  const heard = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    heard.stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    heard.stderr += text
  })
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...heard })))
}

/** How many elements of each name. Throws where the text is not well-formed XML, as far as an SVG of ours can go wrong. */
function elementsOf(xml: string): Map<string, number> {
  const open: string[] = []
  const counts = new Map<string, number>()
  const rest = xml
    .replace(/^<\?xml [^?]*\?>\n/, '')
    .replace(/<(\/?)([\w:-]+)((?: [\w:-]+="[^"<]*")*)(\/?)>/g, (_, end, name, _attributes, alone) => {
      if (end) {
        if (open.pop() !== name) throw new Error(`</${name}> closes nothing.`)
      } else {
        counts.set(name, (counts.get(name) ?? 0) + 1)
        if (!alone) open.push(name)
      }
      return ''
    })
  if (open.length > 0) throw new Error(`Not closed: ${open.join(', ')}.`)
  if (/[<>]|&(?!amp;|lt;|gt;|quot;)/.test(rest)) throw new Error('Something is not escaped.')
  return counts
}
