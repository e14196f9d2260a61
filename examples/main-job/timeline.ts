// SPDX-License-Identifier: MIT
// The time line: who held what, as an SVG. Each file is a group of lanes, each lane a process, writers above readers. It draws what was
// recorded and knows nothing of how that came about.
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
  readonly studies: readonly string[]
  readonly spans: readonly Span[]
  readonly from: number
  readonly to: number
  /** Where the axis says 0, and what that is. */
  readonly origin: number
  readonly axis: string
  readonly kill: { readonly at: number; readonly study: string; readonly label: string } | null
}

const WIDTH = 1240
const LEFT = 116
const RIGHT = 24
const LANE = 15
const BAR = 11
const GROUP_HEAD = 24
const GROUP_GAP = 6
const PANEL_HEAD = 58
const AXIS = 42
const TOP = 118
const TICK_EVERY_MS = 50

// Okabe and Ito's palette: told apart by colour-blind eyes too. Torn, skipped and killed also differ in shape.
const STYLE = `
text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; font-size: 12px; fill: #333 }
.h1 { font-size: 22px; font-weight: 600; fill: #111 } .h2 { font-size: 16px; font-weight: 600; fill: #111 }
.sub { fill: #666 } .group { font-weight: 600; fill: #222 } .lane { font-size: 11px; fill: #555; text-anchor: end }
.tick { font-size: 11px; fill: #666; text-anchor: middle } .grid { stroke: #e4e4e4 } .base { stroke: #f1f1f1 } .back { fill: #fafafa; stroke: #e4e4e4 }
.reader { fill: #0072b2 } .writer { fill: #e69f00 } .restored { fill: #009e73 } .torn { fill: url(#torn); stroke: #b03a00 }
.skipped { fill: #fff; stroke: #0072b2; stroke-width: 2 } .alone { fill: #e69f00; opacity: .16 }
.wait { stroke: #8a8a8a; stroke-width: 2 } .kill { stroke: #111; stroke-width: 1.5; stroke-dasharray: 4 3 } .faint { opacity: .3 }
.cross { stroke: #111; stroke-width: 3; stroke-linecap: round } .killtext { font-weight: 600; fill: #111 }
.reader:hover, .writer:hover, .restored:hover { stroke: #111; stroke-width: 1.5 }`

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

function groupHeight(panel: Panel): number {
  return GROUP_HEAD + panel.lanes.length * LANE + GROUP_GAP
}

function panelHeight(panel: Panel): number {
  return PANEL_HEAD + panel.studies.length * groupHeight(panel) + AXIS
}

function drawPanel(panel: Panel, top: number): string {
  const scale = (at: number): number => LEFT + ((clamp(at, panel) - panel.from) / (panel.to - panel.from)) * (WIDTH - LEFT - RIGHT)
  const bodyTop = top + PANEL_HEAD
  const bottom = bodyTop + panel.studies.length * groupHeight(panel)
  const groups = panel.studies.map((study, at) => drawGroup(panel, study, bodyTop + at * groupHeight(panel), scale))
  return element(
    'g',
    {},
    text(24, top + 22, 'h2', panel.title),
    text(24, top + 42, 'sub', panel.subtitle),
    element('rect', { x: LEFT, y: bodyTop, width: WIDTH - LEFT - RIGHT, height: bottom - bodyTop, class: 'back' }),
    ...drawAxis(panel, bodyTop, bottom, scale),
    ...groups,
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

function drawGroup(panel: Panel, study: string, top: number, scale: (at: number) => number): string {
  const here = panel.spans.filter((span) => span.study === study && span.asked < panel.to && (span.ended ?? panel.to) > panel.from)
  const lanesTop = top + GROUP_HEAD
  const height = panel.lanes.length * LANE
  const bands = here.filter(isHold).filter((span) => span.role === 'writer')
  const lanes = panel.lanes.map((lane, at) => {
    const middle = lanesTop + at * LANE + LANE / 2
    const own = here.filter((span) => span.worker === lane.name)
    return [
      text(LEFT - 8, middle + 4, 'lane', lane.name),
      line(LEFT, middle, WIDTH - RIGHT, middle, 'base'),
      ...own.map((span) => drawSpan(span, panel, middle, scale)),
    ].join('')
  })
  return element(
    'g',
    {},
    text(LEFT + 6, top + 16, 'group', `/studies/${study}`),
    ...bands.map((span) => {
      const [x, end] = [scale(span.granted), scale(span.ended ?? panel.to)]
      return element('rect', { x, y: lanesTop, width: Math.max(0, end - x), height, class: 'alone' })
    }),
    ...lanes,
    ...drawKill(panel, study, top, lanesTop + height, scale),
  )
}

function drawSpan(span: Span, panel: Panel, middle: number, scale: (at: number) => number): string {
  const parts = [tooltip(describe(span, panel))]
  const granted = span.granted ?? span.ended ?? panel.to
  if (granted > span.asked) parts.push(line(scale(span.asked), middle, scale(granted), middle, 'wait'))
  if (isHold(span) && span.granted < panel.to) {
    const [x, end] = [scale(span.granted), scale(span.ended ?? panel.to)]
    if (span.outcome === 'skipped') parts.push(drawSkip(x, middle))
    else parts.push(element('rect', { x, y: middle - BAR / 2, width: Math.max(1, end - x), height: BAR, rx: 1.5, class: styleOf(span) }))
    if (span.outcome === 'killed' && span.ended !== null && span.ended <= panel.to) parts.push(drawCross(end, middle))
  }
  return element('g', {}, ...parts)
}

function styleOf(span: Span): string {
  const { outcome } = span
  return outcome === 'torn' || outcome === 'restored' ? outcome : span.role
}

/** It takes no time worth a bar: the reader looked, and left. */
function drawSkip(x: number, y: number): string {
  return element('circle', { cx: x, cy: y, r: 4.5, class: 'skipped' })
}

function drawCross(x: number, y: number): string {
  return line(x - 5, y - 5, x + 5, y + 5, 'cross') + line(x - 5, y + 5, x + 5, y - 5, 'cross')
}

function drawKill({ kill }: Panel, study: string, top: number, bottom: number, scale: (at: number) => number): readonly string[] {
  if (kill === null) return []
  const x = scale(kill.at)
  if (kill.study !== study) return [line(x, top, x, bottom, 'kill faint')]
  return [line(x, top, x, bottom, 'kill'), text(x + 8, top + 16, 'killtext', kill.label)]
}

function describe(span: Span, panel: Panel): string {
  const at = (time: number): string => `${(time - panel.origin).toFixed(1)} ms`
  const did = { reader: 'reads', writer: 'rewrites' }[span.role]
  const lines = [`${span.worker} ${did} /studies/${span.study}`, `asked at ${at(span.asked)}`]
  if (isHold(span)) {
    lines.push(`waited ${(span.granted - span.asked).toFixed(1)} ms`)
    if (span.ended !== null) lines.push(`was in for ${(span.ended - span.granted).toFixed(1)} ms`)
  }
  if (span.outcome !== null) lines.push(`outcome: ${span.outcome}${span.content === null ? '' : ` (${span.content})`}`)
  if (span.token !== null) lines.push(`fencing token ${span.token}`)
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
  item('rewriting', box('writer'))
  item('while a writer is in', (at) => element('rect', { x: at, y: y - 9, width: 22, height: 18, class: 'alone' }))
  item('waiting', (at) => line(at, y, at + 22, y, 'wait'))
  item('torn read', box('torn'))
  item('SIGKILL', (at) => drawCross(at + 11, y))
  item('read skipped: file left by the kill', (at) => drawSkip(at + 11, y))
  item('file restored', box('restored'))
  return element('g', {}, ...parts)
}

function clamp(at: number, { from, to }: Panel): number {
  return Math.min(to, Math.max(from, at))
}
