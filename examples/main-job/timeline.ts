// SPDX-License-Identifier: MIT
// The time line: who was in the file when, as an SVG. Each lane is a process, writers above readers. It draws what was recorded and knows
// nothing of how that came about.
import { isHold, type Role, type Span } from './records.ts'
import { element, line, text, tooltip } from './svg.ts'

export interface Lane {
  readonly name: string
  readonly role: Role
}

/** Some hundred milliseconds of a phase. */
export interface Panel {
  readonly title: string
  readonly subtitle: string
  readonly lanes: readonly Lane[]
  readonly spans: readonly Span[]
  readonly from: number
  readonly to: number
  /** Where the axis says 0, and what that is. */
  readonly origin: number
  readonly axis: string
  /** `next`: who was let in first after it. */
  readonly kill: { readonly at: number; readonly next: Span | null; readonly label: string } | null
}

const WIDTH = 1240
const LEFT = 116
const RIGHT = 24
const LANE = 24
const BAR = 14
const HEAD = 24
const PANEL_HEAD = 58
const AXIS = 42
const TOP = 118
const TICK_EVERY_MS = 50

// Okabe and Ito's palette: told apart by colour-blind eyes too. Torn and killed also differ in shape.
const STYLE = `
text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; font-size: 12px; fill: #333 }
.h1 { font-size: 22px; font-weight: 600; fill: #111 } .h2 { font-size: 16px; font-weight: 600; fill: #111 }
.sub { fill: #666 } .lane { font-size: 11px; fill: #555; text-anchor: end }
.tick { font-size: 11px; fill: #666; text-anchor: middle } .grid { stroke: #e4e4e4 } .base { stroke: #f1f1f1 } .back { fill: #fafafa; stroke: #e4e4e4 }
.reader { fill: #0072b2 } .writer { fill: #e69f00 } .recovered { fill: #009e73 } .torn { fill: url(#torn); stroke: #b03a00 }
.alone { fill: #e69f00; opacity: .16 }
.wait { stroke: #8a8a8a; stroke-width: 2 } .kill { stroke: #111; stroke-width: 1.5; stroke-dasharray: 4 3 }
.cross { stroke: #111; stroke-width: 3; stroke-linecap: round } .killtext { font-weight: 600; fill: #111 }
.reader:hover, .writer:hover, .recovered:hover { stroke: #111; stroke-width: 1.5 }`

const TORN_PATTERN =
  '<defs><pattern id="torn" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">' +
  '<rect width="6" height="6" fill="#d55e00"/><rect width="2.4" height="6" fill="#fff"/></pattern></defs>'

/** The whole picture, a complete SVG file. */
export function drawTimeline(heading: string, subheading: string, panels: readonly Panel[]): string {
  const drawn: string[] = []
  let y = TOP
  for (const panel of panels) {
    drawn.push(drawPanel(panel, y))
    y += panelHeight(panel) + 22
  }
  const size = { width: WIDTH, height: y, viewBox: `0 0 ${WIDTH} ${y}` }
  return [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    element(
      'svg',
      { xmlns: 'http://www.w3.org/2000/svg', ...size, role: 'img', 'aria-label': heading },
      tooltip(heading),
      `<style>${STYLE}</style>`,
      TORN_PATTERN,
      element('rect', { width: WIDTH, height: y, fill: '#fff' }),
      text(24, 38, 'h1', heading),
      text(24, 60, 'sub', subheading),
      drawLegend(24, 86),
      ...drawn,
    ),
    '',
  ].join('\n')
}

function panelHeight(panel: Panel): number {
  return PANEL_HEAD + HEAD + panel.lanes.length * LANE + AXIS
}

function drawPanel(panel: Panel, top: number): string {
  const scale = (at: number): number => LEFT + ((clamp(at, panel) - panel.from) / (panel.to - panel.from)) * (WIDTH - LEFT - RIGHT)
  const bodyTop = top + PANEL_HEAD
  const lanesTop = bodyTop + HEAD
  const bottom = lanesTop + panel.lanes.length * LANE
  const inView = panel.spans.filter((span) => span.asked < panel.to && (span.ended ?? panel.to) > panel.from)
  const bands = inView.filter(isHold).filter((span) => span.role === 'writer')
  return element(
    'g',
    {},
    text(24, top + 22, 'h2', panel.title),
    text(24, top + 42, 'sub', panel.subtitle),
    element('rect', { x: LEFT, y: bodyTop, width: WIDTH - LEFT - RIGHT, height: bottom - bodyTop, class: 'back' }),
    ...drawAxis(panel, bodyTop, bottom, scale),
    ...bands.map((span) => {
      const [x, end] = [scale(span.granted), scale(span.ended ?? panel.to)]
      return element('rect', { x, y: lanesTop, width: Math.max(0, end - x), height: bottom - lanesTop, class: 'alone' })
    }),
    ...panel.lanes.map((lane, at) => {
      const own = inView.filter((span) => span.worker === lane.name)
      return drawLane(lane, own, panel, lanesTop + at * LANE + LANE / 2, scale)
    }),
    ...drawKill(panel, bodyTop, bottom, scale),
  )
}

function drawAxis(panel: Panel, top: number, bottom: number, scale: (at: number) => number): readonly string[] {
  const first = Math.ceil((panel.from - panel.origin) / TICK_EVERY_MS)
  const last = Math.floor((panel.to - panel.origin) / TICK_EVERY_MS)
  const ticks = Array.from({ length: last - first + 1 }, (_, at) => (first + at) * TICK_EVERY_MS)
  return [
    ...ticks.map((ms) => line(scale(panel.origin + ms), top, scale(panel.origin + ms), bottom + 4, 'grid')),
    ...ticks.map((ms) => text(scale(panel.origin + ms), bottom + 17, 'tick', String(ms).replace('-', '−'))),
    text((LEFT + WIDTH - RIGHT) / 2, bottom + 34, 'tick', panel.axis),
  ]
}

function drawLane(lane: Lane, spans: readonly Span[], panel: Panel, middle: number, scale: (at: number) => number): string {
  return [
    text(LEFT - 8, middle + 4, 'lane', lane.name),
    line(LEFT, middle, WIDTH - RIGHT, middle, 'base'),
    ...spans.map((span) => drawSpan(span, panel, middle, scale)),
  ].join('')
}

function drawSpan(span: Span, panel: Panel, middle: number, scale: (at: number) => number): string {
  const parts = [tooltip(describe(span, panel))]
  const granted = span.granted ?? span.ended ?? panel.to
  if (granted > span.asked) parts.push(line(scale(span.asked), middle, scale(granted), middle, 'wait'))
  if (isHold(span) && span.granted < panel.to) {
    const [x, end] = [scale(span.granted), scale(span.ended ?? panel.to)]
    const shape = { x, y: middle - BAR / 2, width: Math.max(1, end - x), height: BAR, rx: 1.5 }
    parts.push(element('rect', { ...shape, class: styleOf(span, panel) }))
    if (span.outcome === 'killed' && span.ended !== null && span.ended <= panel.to) parts.push(drawCross(end, middle))
  }
  return element('g', {}, ...parts)
}

function styleOf(span: Span, { kill }: Panel): string {
  if (span.outcome === 'torn' || span.outcome === 'failed') return 'torn'
  return span === kill?.next ? 'recovered' : span.role
}

function drawCross(x: number, y: number): string {
  return line(x - 5, y - 5, x + 5, y + 5, 'cross') + line(x - 5, y + 5, x + 5, y - 5, 'cross')
}

function drawKill({ kill }: Panel, top: number, bottom: number, scale: (at: number) => number): readonly string[] {
  if (kill === null) return []
  const x = scale(kill.at)
  return [line(x, top, x, bottom, 'kill'), text(x + 8, top + 16, 'killtext', kill.label)]
}

function describe(span: Span, panel: Panel): string {
  const at = (time: number): string => `${(time - panel.origin).toFixed(1)} ms`
  const { worker, batch, outcome, token } = span
  const lines = [`${worker} ${batch === null ? 'reads' : `appends its batch ${batch.sequence}`}`, `asked at ${at(span.asked)}`]
  if (isHold(span)) {
    lines.push(`waited ${(span.granted - span.asked).toFixed(1)} ms`)
    if (span.ended !== null) lines.push(`was in for ${(span.ended - span.granted).toFixed(1)} ms`)
  }
  if (outcome !== null) lines.push(`outcome: ${outcome}`)
  if (token !== null) lines.push(`fencing token ${token}`)
  return lines.join('\n')
}

function drawLegend(left: number, y: number): string {
  const parts: string[] = []
  let x = left
  const item = (label: string, sample: (x: number) => string): void => {
    parts.push(sample(x), text(x + 30, y + 4, '', label))
    x += 30 + label.length * 6.3 + 22
  }
  const box = (style: string) => (at: number) => element('rect', { x: at, y: y - BAR / 2, width: 22, height: BAR, rx: 1.5, class: style })
  item('reading', box('reader'))
  item('appending', box('writer'))
  item('while a writer is in', (at) => element('rect', { x: at, y: y - 9, width: 22, height: 18, class: 'alone' }))
  item('waiting', (at) => line(at, y, at + 22, y, 'wait'))
  item('torn, or failed', box('torn'))
  item('SIGKILL', (at) => drawCross(at + 11, y))
  item('next one in, the file rolled back', box('recovered'))
  return element('g', {}, ...parts)
}

function clamp(at: number, { from, to }: Panel): number {
  return Math.min(to, Math.max(from, at))
}
