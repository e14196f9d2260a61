// SPDX-License-Identifier: MIT
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accountFor, discrepancies, hasRowsOf } from '../../examples/main-job/accounts.ts'
import { type Batch, batchesIn, COLUMNS, ROWS_IN_BATCH, sumOf, VALUES_IN_BATCH, valuesOf } from '../../examples/main-job/batches.ts'
import { intrusions, percentile, tokensOutOfOrder, waits } from '../../examples/main-job/figures.ts'
import type { Inspection } from '../../examples/main-job/inspection.ts'
import { readOptions } from '../../examples/main-job/options.ts'
import type { PhaseResult } from '../../examples/main-job/phase.ts'
import { Progress } from '../../examples/main-job/progress.ts'
import { type Hold, Recording, type Role, type Span } from '../../examples/main-job/records.ts'
import { complaints, summary, table } from '../../examples/main-job/report.ts'
import { isWhole, type Reading } from '../../examples/main-job/study.ts'
import { escapeText } from '../../examples/main-job/svg.ts'
import { drawTimeline, type Panel } from '../../examples/main-job/timeline.ts'
import { panelOfKill, panelOfTornReads } from '../../examples/main-job/windows.ts'
import { hasH5py } from '../support/python.ts'

const PROGRAM = fileURLToPath(new URL('../../build/examples/main-job/main.js', import.meta.url))

describe('the main job as a program', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('shows torn reads without locks, none with them, and accounts for every value', { timeout: 90_000 }, async () => {
    const { code, stdout, stderr } = await ended(start('--seconds', '1'))
    expect(stderr).toMatch(/SIGKILL to writer 1, in the middle of its append/)
    expect(stdout).toMatch(/^reads that were torn +\d+( \(\d+ %\))? +0$/m)
    expect(stdout).toMatch(/^reads that failed +\d+( \(\d+ %\))? +0$/m)
    expect(stdout).toMatch(/^let in beside a writer +[1-9]\d* +0$/m)
    expect(stdout).toMatch(/^ {2}the file as it was left +– +torn, and marked$/m)
    expect(stdout).toMatch(/^ {2}from the kill to the next one in +– +\d+\.\d ms$/m)
    expect(stdout).toMatch(/^ {2}of the unfinished append in the file +– +nothing$/m)
    expect(stdout).toMatch(/^processes stuck, or dead +\d, \d +0, 0$/m)
    expect(stdout).toMatch(/^acknowledged appends lost .* 0$/m)
    expect(stdout).toMatch(/^datasets of the original unharmed .* 4 of 4$/m)
    expect(stdout).toMatch(hasH5py ? /^what h5py reads .* the same values$/m : /^what h5py reads .* not installed$/m)
    expect(stdout).toMatch(/^Without locks [1-9]\d* of \d+ reads were torn or failed/m)
    expect(code).toBe(0)

    const timeline = stdout.trimEnd().split('\n').at(-1) ?? ''
    expect(readdirSync(folder).map((name) => join(folder, name))).toEqual([timeline])
    const svg = readFileSync(timeline, 'utf8')
    expect(elementsOf(svg).get('svg')).toBe(1)
    expect(svg).toContain('SIGKILL to writer 1')
    expect(svg).toContain('class="recovered"')
  })

  test('fails, and says why, when the locks do not reach from one process to the other', { timeout: 90_000 }, async () => {
    const { code, stdout, stderr } = await ended(start('--seconds', '1', '--on', 'memory:'))
    // Its flock protects the file all the same.
    expect(stdout).toMatch(/^- With Holdfast [1-9]\d* fencing tokens did not rise: the locks do not reach/m)
    expect(stdout).toMatch(/^reads that were torn .* 0$/m)
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
    const spans = [hold('reader', 0, 9, { asked: -3 }), hold('writer', 0, 9), { ...hold('reader', 0, 9), granted: null }]
    expect(waits(spans, 'reader')).toEqual([3])
  })

  test('two readers are no intrusion; anybody beside a writer is', () => {
    expect(intrusions([hold('reader', 0, 5), hold('reader', 1, 6)])).toBe(0)
    expect(intrusions([hold('writer', 0, 5), hold('reader', 4, 9)])).toBe(1)
    expect(intrusions([hold('writer', 0, 5), hold('reader', 5, 9)])).toBe(0)
    expect(intrusions([{ ...hold('writer', 0, 0), ended: null }, hold('reader', 90, 91)])).toBe(1)
  })

  test('intrusions are the pairs that overlap and are not both readers', () => {
    const span = fc
      .tuple(fc.constantFrom<Role>('reader', 'writer'), fc.nat(40), fc.integer({ min: 1, max: 15 }))
      .map(([role, from, length]) => hold(role, from, from + length))
    fc.assert(
      fc.property(fc.array(span, { maxLength: 30 }), (spans) => {
        const pairs = spans.flatMap((one, at) => spans.slice(at + 1).map((other) => [one, other] as const))
        const overlapping = pairs.filter(
          ([one, other]) => (one.role === 'writer' || other.role === 'writer') && one.granted < other.ended! && other.granted < one.ended!,
        )
        expect(intrusions(spans)).toBe(overlapping.length)
      }),
    )
  })

  test('a token is out of order when it is not above that of whom its holder excluded', () => {
    const order = (...grants: readonly (readonly [Role, string | null])[]): number =>
      tokensOutOfOrder(grants.map(([role, token], at) => hold(role, at, at + 1, { token })))
    expect(order(['writer', '1'], ['reader', '3'], ['reader', '2'], ['reader', '2'], ['writer', '4'])).toBe(0)
    expect(order(['writer', '1'], ['reader', '1'])).toBe(1)
    expect(order(['reader', '2'], ['writer', '2'], ['writer', '1'])).toBe(2)
    expect(order(['writer', '9'], ['writer', '10'])).toBe(0)
    expect(order(['writer', null], ['reader', null])).toBe(0)
  })

  test('records become spans, and a worker that is in the middle of something has an open one', () => {
    const recording = new Recording()
    const batch = { writer: 1, sequence: 7 }
    recording.add('reader 1', 'reader', { event: 'asked', at: 1, batch: null })
    recording.add('writer 1', 'writer', { event: 'asked', at: 2, batch })
    recording.add('reader 1', 'reader', { event: 'granted', at: 3, token: '17' })
    recording.add('reader 1', 'reader', { event: 'ended', at: 4, outcome: 'whole' })
    expect(recording.spans).toEqual([
      { worker: 'reader 1', role: 'reader', batch: null, asked: 1, granted: 3, ended: 4, token: '17', outcome: 'whole' },
      { worker: 'writer 1', role: 'writer', batch, asked: 2, granted: null, ended: null, token: null, outcome: null },
    ])
    expect(recording.latest('writer 1')).toBe(recording.spans[1])
    expect(recording.count('reader', 'whole', 'torn')).toBe(1)
  })
})

describe('a reading', () => {
  const original = { data: Float64Array.from({ length: 100 * 100 }, (_, at) => at / 7), shape: [100, 100] }
  const whole: Reading = {
    count: 8,
    rows: 8,
    tail: valuesOf({ writer: 1, sequence: 1 }),
    realFrom: 3,
    real: original.data.slice(300, 2300),
  }

  test('is whole when attributes, rows and measurements belong together', () => {
    expect(isWhole(whole, original)).toBe(true)
    expect(isWhole({ ...whole, count: 0, rows: 0, tail: new Float64Array(0) }, original)).toBe(true)
  })

  test.each<[string, Partial<Reading>]>([
    ['the attribute is behind', { count: 0 }],
    ['rows are missing', { tail: whole.tail.subarray(0, 7 * COLUMNS) }],
    ['a value is another', { tail: whole.tail.map((value, at) => (at === VALUES_IN_BATCH - 1 ? value + 1 : value)) }],
    ['a measurement is another', { real: whole.real.map((value, at) => (at === 1999 ? -1 : value)) }],
    ['measurements are missing', { real: new Float64Array(0) }],
  ])('is torn when %s', (_, change) => {
    expect(isWhole({ ...whole, ...change }, original)).toBe(false)
  })
})

describe('the accounts', () => {
  const original = { gzip: 'digest' }
  const first = { writer: 1, sequence: 1 }
  const second = { writer: 1, sequence: 2 }
  const other = { writer: 2, sequence: 1 }
  const appended = (batch: Batch): Span => hold('writer', 0, 1, { batch, outcome: 'appended' })
  const killed = hold('writer', 0, 1, { batch: second, outcome: 'killed' })
  const spans = [appended(first), appended(other), killed]

  test('balance when every acknowledged append is there once, in order, and attributes and original agree', () => {
    const found = inspection([first, other])
    expect(accountFor(spans, found, original)).toMatchObject({ acknowledged: 2, lost: 0, agrees: true, damaged: 0 })
    expect(discrepancies(accountFor(spans, found, original), found)).toEqual([])
  })

  test('allow an append that nobody was told of to be there whole', () => {
    const found = inspection([other, first, second])
    expect(discrepancies(accountFor(spans, found, original), found)).toEqual([])
    expect(hasRowsOf(second, found)).toBe(true)
    expect(hasRowsOf(second, inspection([first, other]))).toBe(false)
  })

  test.each<[string, Inspection]>([
    ['1 of 2 acknowledged appends are lost', inspection([first])],
    ['1 appends are there twice', inspection([first, other, first])],
    ['1 appends are out of order', inspection([second, first, other])],
    ['1 appends are there that nobody made', inspection([first, other, { writer: 2, sequence: 2 }])],
    ['1 times 8 rows are not as anybody wrote them', inspection([first, other, null])],
    ['the attributes do not agree', { ...inspection([first, other]), noted: { count: 8n, sum: 0n } }],
    ['the attributes do not agree', { ...inspection([first, other]), noted: null }],
    ['1 of 1 datasets of the original file are damaged', { ...inspection([first, other]), contents: {} }],
    ['the file cannot be read: gone', { ...inspection([]), unreadable: 'gone' }],
  ])('say that %s', (text, found) => {
    expect(discrepancies(accountFor(spans, found, original), found).join('\n')).toContain(text)
  })

  test('know a batch by its values', () => {
    const rows = new Float64Array(2 * VALUES_IN_BATCH + COLUMNS)
    rows.set(valuesOf(first))
    rows.set(valuesOf(other), VALUES_IN_BATCH)
    expect(batchesIn(rows)).toEqual([first, other, null])
    rows[70]! += 1
    expect(batchesIn(rows)).toEqual([null, other, null])
  })

  function inspection(batches: readonly (Batch | null)[]): Inspection {
    const sum = batches.reduce((total, batch) => total + (batch === null ? 0n : sumOf(valuesOf(batch))), 0n)
    const rows = batches.length * ROWS_IN_BATCH
    return { unreadable: null, batches, rows, sum, noted: { count: BigInt(rows), sum }, digest: '', contents: original }
  }
})

describe('the judgement', () => {
  const torn = [hold('writer', 0, 9, { outcome: 'appended' }), hold('reader', 1, 8, { outcome: 'torn' })]
  const without = phase({ locked: false, spans: torn })
  const killed = hold('writer', 10, 50, { outcome: 'killed' })
  const next = hold('reader', 52.5, 53, { outcome: 'whole' })
  const appended = hold('writer', 54, 60, { outcome: 'appended' })
  const whole = hold('reader', 61, 70, { outcome: 'whole', asked: 59 })
  const kill = { worker: 'writer 1', at: 50, marked: true, next, partThere: false }
  const within = phase({ locked: true, spans: [killed, next, appended, whole], kill })

  test('is content with torn reads before and none after', () => {
    expect(complaints(without, within)).toEqual([])
    expect(table([without, within])).toMatch(/^ {2}from the kill to the next one in +– +2\.5 ms$/m)
    expect(summary(without, within)).toContain('2.5 ms after the SIGKILL')
  })

  test('does not hold it against anybody that h5py is not installed, and says so', () => {
    const unasked: PhaseResult = { ...within, h5py: 'not installed' }
    expect(complaints(without, unasked)).toEqual([])
    expect(table([without, unasked])).toMatch(/^what h5py reads .* not installed$/m)
    expect(summary(without, unasked)).toContain('not installed')
  })

  test.each<[string, PhaseResult, PhaseResult]>([
    ['no read was torn', phase({ locked: false }), within],
    ['nobody has read', without, { ...within, spans: [killed, appended] }],
    ['nobody has appended', without, { ...within, accounts: { ...within.accounts, acknowledged: 0 } }],
    ['1 reads were torn', without, { ...within, spans: [...within.spans, hold('reader', 80, 81, { outcome: 'torn' })] }],
    ['let in beside a writer 1 times', without, { ...within, spans: [...within.spans, hold('reader', 55, 56)] }],
    [
      '1 fencing tokens did not rise',
      without,
      { ...within, spans: [hold('writer', 1, 2, { token: '5' }), hold('reader', 3, 4, { token: '5', outcome: 'whole' })] },
    ],
    ['never got to the middle', without, { ...within, kill: null }],
    ['not yet touched the file', without, { ...within, kill: { ...kill, marked: false } }],
    ['nobody was let in', without, { ...within, kill: { ...kill, next: null } }],
    ['in part or whole', without, { ...within, kill: { ...kill, partThere: true } }],
    ['With Holdfast it rained', without, { ...within, discrepancies: ['it rained'] }],
    ['h5py reads other values', without, { ...within, h5py: 'other values' }],
    ['h5py cannot read', without, { ...within, h5py: 'cannot read it' }],
    ['Stuck with Holdfast: reader 1', without, { ...within, stuck: ['reader 1'] }],
    ['reader 1: out of luck', without, { ...within, failures: ['reader 1: out of luck'] }],
  ])('complains when %s', (text, before, after) => {
    expect(complaints(before, after).join('\n')).toContain(text)
  })

  test('is drawn: torn reads, the kill, who came next, and names that need escaping', () => {
    const svg = drawTimeline('A & B', 'x < y', [panelOfTornReads(without), panelOfKill(within)])
    expect(elementsOf(svg).get('svg')).toBe(1)
    expect(svg).toContain('A &amp; B')
    expect(svg).toContain('2.5 ms later reader 1 was in')
    // The legend's and one more.
    expect(svg.match(/class="torn"/g)).toHaveLength(2)
    expect(svg.match(/class="recovered"/g)).toHaveLength(2)
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
    spans: [],
    from: 100,
    to: 200,
    origin: 100,
    axis: 'milliseconds',
    kill: null,
  }

  test('draws what reaches into its window, cut at the edges, and nothing else', () => {
    const at = (from: number, to: number): readonly string[] => {
      const svg = drawTimeline('', '', [{ ...panel, spans: [hold('reader', from, to)] }])
      return [...svg.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="14" rx="1.5" class="reader"/g)]
        .slice(1)
        .map((match) => `${match[1]}+${match[2]}`)
    }
    expect(at(0, 99)).toEqual([])
    expect(at(201, 300)).toEqual([])
    expect(at(0, 300)).toEqual(['116+1100'])
    expect(at(150, 160)).toEqual(['666+110'])
  })

  test('shows a wait as a line from asking to being let in, or to the edge', () => {
    const waiting = { ...hold('reader', 0, 0, { asked: 150 }), granted: null, ended: null }
    const svg = drawTimeline('', '', [{ ...panel, spans: [waiting] }])
    expect(svg).toMatch(/<line x1="666" y1="[\d.]+" x2="1216" y2="[\d.]+" class="wait"\/>/)
  })

  test('escapes whatever a process may be called', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        expect(escapeText(name)).not.toMatch(/[<>"]|&(?!amp;|lt;|gt;|quot;)/)
        elementsOf(drawTimeline(name, name, [{ ...panel, lanes: [{ name, role: 'reader' }] }]))
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

function hold(role: Role, granted: number, ended: number, more: Partial<Span> = {}): Hold {
  return { worker: `${role} 1`, role, batch: null, asked: granted, granted, ended, token: null, outcome: null, ...more } as Hold
}

function phase(more: Partial<PhaseResult>): PhaseResult {
  const members = [
    { name: 'writer 1', role: 'writer' as const, number: 1 },
    { name: 'reader 1', role: 'reader' as const, number: 1 },
  ]
  const title = more.locked ? 'with Holdfast' : 'without locks'
  const strays = { lost: 0, doubled: 0, outOfOrder: 0, unknown: 0, spoilt: 0 }
  const accounts = { readable: true, acknowledged: 1, ...strays, agrees: true, damaged: 0, datasets: 4 }
  const nothing = { spans: [], startedAt: 0, endedAt: 100, kill: null, stuck: [], failures: [], discrepancies: [] }
  return { title, locked: true, members, accounts, h5py: 'the same values', ...nothing, ...more }
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
