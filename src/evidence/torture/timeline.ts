// SPDX-License-Identifier: MIT
// Draws the time around a violation, as an SVG that needs nothing beside itself: a lane for each request that a worker makes at once, faults behind them.
import type { Violation } from './judgement.ts'
import type { Happening } from './marks.ts'

/** One request, and the lease that it got. */
interface Bar {
  readonly who: string
  readonly lease: number
  readonly what: string
  readonly writes: boolean
  readonly asked: bigint
  queued: bigint | null
  granted: bigint | null
  deadline: bigint | null
  weakened: bigint | null
  end: bigint | null
  how: string
  readonly late: { readonly at: bigint; readonly accepted: boolean }[]
}

interface Band {
  readonly who: string | null
  readonly what: string
  readonly from: bigint
  to: bigint | null
}

/** More of them cannot be told apart. */
const MOST_BARS = 1_200
const BEFORE_NS = 1_000_000_000n
const AFTER_NS = 150_000_000n
const [WIDTH, LEFT, TOP, LANE, BAR] = [1_600, 90, 96, 12, 9]
const NEVER = 2n ** 62n

export function drawTimeline(happened: readonly Happening[], { kind, inWords, at }: Violation, seed: number): string {
  const { bars, bands } = gather(happened)
  const [from, to] = windowAround(at, bars)
  const shown = bars.filter((bar) => bar.asked <= to && (bar.end ?? to) >= from)
  const { rows, lanes } = placed(shown)
  const height = TOP + lanes * LANE + rows.size * 6 + 40
  const x = (time: bigint): number => LEFT + (Number(clamp(time, from, to) - from) / Math.max(1, Number(to - from))) * (WIDTH - LEFT - 20)
  const parts: string[] = []
  for (const band of bands) if (band.from <= to && (band.to ?? to) >= from) parts.push(drawBand(band, rows, x, to, height))
  for (const [who, { top, count }] of rows)
    parts.push(`<text x="${LEFT - 8}" y="${top + (count * LANE) / 2 + 4}" text-anchor="end">${escaped(who)}</text>`)
  for (const bar of shown) parts.push(drawBar(bar, rows, x, from, to))
  const line = x(at).toFixed(1)
  parts.push(`<path d="M${line} ${TOP - 8}V${height - 30}" stroke="#c2185b" stroke-width="1.5" stroke-dasharray="4 3"/>`)
  parts.push(axis(from, to, at, x, height - 16))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11">
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
<text x="12" y="22" font-size="16" font-weight="bold">holdfast torture, seed ${seed}: ${escaped(TITLES[kind])}</text>
<text x="12" y="42">${escaped(inWords.length > 230 ? `${inWords.slice(0, 229)}…` : inWords)}</text>
${LEGEND}
${parts.join('\n')}
</svg>
`
}

const TITLES: Readonly<Record<Violation['kind'], string>> = {
  overlap: 'two held at once what excludes the other',
  token: 'a token did not rise',
  order: 'somebody was let in past one who came before',
  waiting: 'somebody waits for ever',
  fence: 'a write in time was refused',
  left: 'something is left behind',
  worker: 'something else went wrong',
}

const COLOURS = { wait: '#d7dbe0', read: '#4f8fd0', write: '#d9534f', late: '#b9a7c9', fault: '#f2c14e' } as const
const LEGEND = [
  ['waits', COLOURS.wait],
  ['reads', COLOURS.read],
  ['writes', COLOURS.write],
  ['holds on after its deadline', COLOURS.late],
  ['fault', COLOURS.fault],
]
  .map(
    ([word, colour], i) =>
      `<rect x="${12 + i * 170}" y="56" width="12" height="12" fill="${colour}"/><text x="${30 + i * 170}" y="66">${word}</text>`,
  )
  .join('')

function gather(happened: readonly Happening[]): { bars: Bar[]; bands: Band[] } {
  const bars = new Map<string, Bar>()
  const bands: Band[] = []
  for (const one of happened) {
    if (one.word === 'fault') fault(one, bands)
    else if (one.word === 'gone') {
      bands.push({ who: one.who, what: 'killed', from: one.at, to: one.at })
      for (const bar of bars.values()) if (bar.who === one.who) end(bar, one.at, 'its process was killed')
    } else if (one.word !== 'shaken') {
      const key = `${one.who}#${one.lease}`
      const known = bars.get(key)
      if (known === undefined && (one.word === 'asked' || one.word === 'granted')) bars.set(key, begun(one))
      else if (known !== undefined) follow(known, one)
    }
  }
  return { bars: [...bars.values()], bands }
}

function fault(one: Happening & { readonly word: 'fault' }, bands: Band[]): void {
  const { who, at, kind, manner, phase } = one
  if (phase === 'begins') bands.push({ who, what: `${who ?? 'the server'} ${manner}`, from: at, to: kind === 'kill' ? at : null })
  else {
    const band = bands.find((other) => other.who === who && other.to === null)
    if (band !== undefined) band.to = at
  }
}

function begun(one: Happening & { readonly word: 'asked' | 'granted' }): Bar {
  const { who, lease, at, read, write } = one
  const what = [...write.map((key) => `write ${key}`), ...read.map((key) => `read ${key}`)].join(', ')
  const bar: Bar = {
    ...{ who, lease, what, writes: write.length > 0, asked: at },
    ...{ queued: null, granted: null, deadline: null, weakened: null, end: null, how: 'is not over', late: [] },
  }
  if (one.word === 'granted') follow(bar, one)
  return bar
}

function follow(bar: Bar, one: Happening): void {
  switch (one.word) {
    case 'queued':
      bar.queued = one.at
      return
    case 'granted':
      bar.granted = one.at
      bar.deadline = one.deadline
      return
    case 'good':
      bar.deadline = one.deadline
      return
    case 'weakened':
      bar.weakened = one.at
      return
    case 'wrote':
      bar.late.push({ at: one.at, accepted: one.accepted })
      return
    case 'refused':
      end(bar, one.at, one.why)
      return
    case 'released':
    case 'lost':
      end(bar, one.at, one.word)
  }
}

function end(bar: Bar, at: bigint, how: string): void {
  if (bar.end !== null) return
  bar.end = at
  bar.how = how
}

/** As much as can be told apart. */
function windowAround(at: bigint, bars: readonly Bar[]): [from: bigint, to: bigint] {
  let before = BEFORE_NS
  let after = AFTER_NS
  for (;;) {
    const [from, to] = [at - before, at + after]
    const count = bars.filter((bar) => bar.asked <= to && (bar.end ?? to) >= from).length
    if (count <= MOST_BARS || before < 1_000n) return [from, to]
    before /= 2n
    after /= 2n
  }
}

/** The rows of each worker, and for each bar the lane in which nobody else is at that time. */
function placed(bars: readonly Bar[]): { rows: Map<string, { top: number; count: number; lane: Map<Bar, number> }>; lanes: number } {
  const byWorker = new Map<string, Bar[]>()
  for (const bar of bars) byWorker.set(bar.who, [...(byWorker.get(bar.who) ?? []), bar])
  const rows = new Map<string, { top: number; count: number; lane: Map<Bar, number> }>()
  let [lanes, top] = [0, TOP]
  for (const [who, own] of [...byWorker].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))) {
    const free: bigint[] = []
    const lane = new Map<Bar, number>()
    for (const bar of own.sort((a, b) => (a.asked < b.asked ? -1 : 1))) {
      const found = free.findIndex((until) => until <= bar.asked)
      const number = found === -1 ? free.length : found
      free[number] = bar.end ?? NEVER
      lane.set(bar, number)
    }
    rows.set(who, { top, count: free.length, lane })
    lanes += free.length
    top += free.length * LANE + 6
  }
  return { rows, lanes }
}

type Rows = ReturnType<typeof placed>['rows']
type Scale = (time: bigint) => number

function drawBand({ who, what, from, to }: Band, rows: Rows, x: Scale, last: bigint, height: number): string {
  const row = who === null ? undefined : rows.get(who)
  if (who !== null && row === undefined) return ''
  const [y, tall] = row === undefined ? [TOP - 4, height - TOP - 30] : [row.top - 2, row.count * LANE + 4]
  const wide = Math.max(2, x(to ?? last) - x(from))
  return `<rect x="${x(from).toFixed(1)}" y="${y}" width="${wide.toFixed(1)}" height="${tall}" fill="${COLOURS.fault}" opacity="0.45"><title>${escaped(what)}</title></rect>`
}

function drawBar(bar: Bar, rows: Rows, x: Scale, from: bigint, to: bigint): string {
  const { who, lease, what, asked, granted, deadline, weakened, writes, how } = bar
  const row = rows.get(who)!
  const y = row.top + row.lane.get(bar)! * LANE
  const end = bar.end ?? to
  const rect = (a: bigint, b: bigint, colour: string): string => {
    if (b <= a || b < from || a > to) return ''
    const wide = Math.max(0.8, x(b) - x(a))
    return `<rect x="${x(a).toFixed(1)}" y="${y}" width="${wide.toFixed(1)}" height="${BAR}" fill="${colour}"/>`
  }
  const parts = [rect(asked, granted ?? end, COLOURS.wait)]
  if (granted !== null) {
    const good = deadline !== null && deadline < end ? deadline : end
    const strong = weakened !== null && weakened < good ? weakened : good
    if (writes) parts.push(rect(granted, strong, COLOURS.write), rect(strong, good, COLOURS.read))
    else parts.push(rect(granted, good, COLOURS.read))
    parts.push(rect(deadline !== null && deadline > granted ? good : granted, end, COLOURS.late))
  }
  for (const { at, accepted } of bar.late)
    if (at >= from && at <= to)
      parts.push(`<circle cx="${x(at).toFixed(1)}" cy="${y + BAR / 2}" r="3" fill="${accepted ? '#555' : '#fff'}" stroke="#555"/>`)
  const waited = granted === null ? '' : `, let in after ${ms((granted ?? end) - asked)}`
  const title = `${who} request ${lease}: ${what}${waited}; ${how}${bar.end === null ? '' : ` after ${ms(end - asked)}`}`
  return `<g><title>${escaped(title)}</title>${parts.join('')}</g>`
}

function axis(from: bigint, to: bigint, at: bigint, x: Scale, y: number): string {
  const ticks = Array.from({ length: 9 }, (_, i) => from + ((to - from) * BigInt(i)) / 8n)
  return ticks.map((tick) => `<text x="${x(tick).toFixed(1)}" y="${y}" text-anchor="middle" fill="#666">${ms(tick - at)}</text>`).join('')
}

function clamp(time: bigint, from: bigint, to: bigint): bigint {
  return time < from ? from : time > to ? to : time
}

function ms(ns: bigint): string {
  const value = Number(ns) / 1e6
  return `${Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2)} ms`
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
