// SPDX-License-Identifier: MIT
// Plots as SVG: lines, distributions as steps, bars. They paint their own background, light or dark, and say in words what they show.
import { linearScale, logScale, type Scale } from './plot-scale.ts'

type Point = readonly [x: number, y: number]

interface Labels {
  readonly title: string
  /** What is to be seen, in a sentence. The numbers are added. */
  readonly description: string
}

export interface Axis {
  /** With the unit, where the ticks do not say it. */
  readonly label: string
  readonly scale: 'log' | 'linear'
  format(value: number): string
}

interface Lines extends Labels {
  readonly x: Axis
  readonly y: Axis
  readonly series: Readonly<Record<string, readonly Point[]>>
}

interface Distributions extends Labels {
  readonly x: Axis
  /** Of each: the value below which so many per cent lie. */
  readonly series: Readonly<Record<string, Readonly<Record<string, number>>>>
}

interface Bars extends Labels {
  format(value: number): string
  readonly bars: readonly { readonly name: string; readonly value: number; readonly kind: 'ours' | 'peer' | 'floor' }[]
}

const WIDTH = 760
const HEIGHT = 420
const FRAME = { left: 78, top: 54, bottom: 362 } as const
const LEGEND = { gap: 16, dash: 30, pitch: 22, margin: 12 } as const
const BAR = { height: 20, pitch: 30, top: 46 } as const
/** Of the text's 13 pixels, about. */
const LETTER_WIDTH = 7.2
/** Points that are fewer are all marked. */
const MARKED_POINTS = 12
/** Of a distribution, in words. */
const TOLD_PERCENT = [50, 90, 99]

const LIGHT = ['#0969da', '#bc4c00', '#1a7f37', '#8250df', '#6e7781', '#bf3989']
const DARK = ['#58a6ff', '#f0883e', '#3fb950', '#bc8cff', '#9ea7b3', '#f778ba']
/** Colours are not all that tells lines apart. */
const DASHES = ['none', '8 3', '2 3', '10 3 2 3', '4 4', '12 4']
const KINDS = { ours: 0, peer: 1, floor: 4 } as const

/** A line through the points of each series. */
export function lineChart(chart: Lines): string {
  return lines(chart, (points) => points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${x} ${y}`).join(''))
}

/** What part of the values lies below x, as a flight of stairs. */
export function distributionChart({ series, ...chart }: Distributions): string {
  const y: Axis = { label: 'part that took no longer', scale: 'linear', format: (percent) => `${percent} %` }
  const points = Object.entries(series).map(([name, quantiles]): [string, Point[]] => [
    name,
    Object.entries(quantiles)
      .map(([percent, value]): Point => [value, Number(percent)])
      .sort((a, b) => a[1] - b[1]),
  ])
  const draw = (stairs: readonly Point[]): string => stairs.map(([px, py], i) => (i === 0 ? `M${px} ${py}` : `H${px}V${py}`)).join('')
  return lines({ ...chart, y, series: Object.fromEntries(points) }, draw, ([, percent]) => TOLD_PERCENT.includes(percent))
}

/** Bars from zero, longest where the value is highest. */
export function barChart({ bars, format, ...labels }: Bars): string {
  const left = 16 + LETTER_WIDTH * Math.max(...bars.map(({ name }) => name.length))
  const scale = linearScale(bars.map(({ value }) => value))
  const length = WIDTH - left - 100
  const body = bars.map(({ name, value, kind }, i) => {
    const y = BAR.top + i * BAR.pitch
    const width = pixels(scale.at(value) * length)
    const middle = y + BAR.height / 2 + 4
    return [
      text(left - 8, middle, name, 'end'),
      `<rect class="f${KINDS[kind]}" x="${pixels(left)}" y="${y}" width="${Math.max(1, width)}" height="${BAR.height}"/>`,
      text(left + width + 6, middle, format(value)),
    ].join('')
  })
  const told = `${bars.map(({ name, value }) => `${name}: ${format(value)}`).join('; ')}.`
  return svg(BAR.top + bars.length * BAR.pitch + 8, labels, told, body)
}

function lines(
  { x, y, series, ...labels }: Lines,
  draw: (points: readonly Point[]) => string,
  tell: (point: Point) => boolean = () => true,
): string {
  const names = Object.keys(series)
  const all = Object.values(series).flat()
  const right = WIDTH - LEGEND.gap - LEGEND.dash - LETTER_WIDTH * Math.max(...names.map((name) => name.length)) - LEGEND.margin
  const columns = [...new Set(all.map(([value]) => value))].sort((a, b) => a - b)
  const across = { ...scaleOf(x, columns), ...(columns.length < MARKED_POINTS ? { ticks: columns } : {}) }
  const up = scaleOf(
    y,
    all.map(([, value]) => value),
  )
  const place = ([px, py]: Point): Point => [
    pixels(FRAME.left + across.at(px) * (right - FRAME.left)),
    pixels(FRAME.bottom - up.at(py) * (FRAME.bottom - FRAME.top)),
  ]
  // The legend has the order in which the lines end.
  const ends = names.map((_, i) => i).sort((a, b) => series[names[b]!]!.at(-1)![1] - series[names[a]!]!.at(-1)![1])
  const drawn = names.map((name, i) => {
    const points = series[name]!
    const marks = points.map((point) => {
      const [cx, cy] = place(point)
      return `<circle class="f${i % LIGHT.length}" cx="${cx}" cy="${cy}" r="3.5"><title>${escaped(name)}, ${x.format(point[0])}: ${y.format(point[1])}</title></circle>`
    })
    return `<path class="s${i % LIGHT.length}" d="${draw(points.map(place))}"/>${points.length < MARKED_POINTS ? marks.join('') : ''}`
  })
  const legend = ends.map((i, row) => {
    const [left, top] = [pixels(right + LEGEND.gap), FRAME.top + 12 + row * LEGEND.pitch]
    return `<path class="s${i % LIGHT.length}" d="M${left} ${top}h24"/>${text(left + LEGEND.dash, top + 4, names[i]!)}`
  })
  const inWords = ([px, py]: Point): string => `${y.format(py)} at ${x.format(px)}`
  const told = names.map((name) => `${name}: ${series[name]!.filter(tell).map(inWords).join(', ')}.`).join(' ')
  return svg(HEIGHT, labels, told, [grid(x, across, y, up, pixels(right)), ...drawn, ...legend])
}

function grid(x: Axis, across: Scale, y: Axis, up: Scale, right: number): string {
  const rows = up.ticks.map((tick) => {
    const at = pixels(FRAME.bottom - up.at(tick) * (FRAME.bottom - FRAME.top))
    return `<path class="grid" d="M${FRAME.left} ${at}H${right}"/>${text(FRAME.left - 8, at + 4, y.format(tick), 'end')}`
  })
  const columns = across.ticks.map((tick) => {
    const at = pixels(FRAME.left + across.at(tick) * (right - FRAME.left))
    return `<path class="grid" d="M${at} ${FRAME.top}V${FRAME.bottom}"/>${text(at, FRAME.bottom + 18, x.format(tick), 'middle')}`
  })
  const middle = (FRAME.top + FRAME.bottom) / 2
  const labels = [
    text((FRAME.left + right) / 2, FRAME.bottom + 42, x.label, 'middle'),
    `<g transform="rotate(-90 16 ${middle})">${text(16, middle, y.label, 'middle')}</g>`,
  ]
  return [...rows, ...columns, ...labels].join('')
}

function scaleOf({ scale }: Axis, values: readonly number[]): Scale {
  return scale === 'log' ? logScale(values) : linearScale(values)
}

function svg(height: number, { title, description }: Labels, told: string, body: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title desc">
<title id="title">${escaped(title)}</title>
<desc id="desc">${escaped(`${description} ${told}`)}</desc>
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 } .heading { font-size: 15px; font-weight: 600 }
.background { fill: #ffffff } .grid { stroke: #d8dee4; stroke-width: 1 } path { fill: none; stroke-width: 2; stroke-linejoin: round }
${colours(LIGHT)}
${DASHES.map((dash, i) => `.s${i} { stroke-dasharray: ${dash} }`).join(' ')}
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .background { fill: #0d1117 } .grid { stroke: #30363d }
${colours(DARK)}
}
</style>
<rect class="background" width="100%" height="100%"/>
<text class="heading" x="16" y="26">${escaped(title)}</text>
${body.join('\n')}
</svg>
`
}

function colours(all: readonly string[]): string {
  return all.map((colour, i) => `.s${i} { stroke: ${colour} } .f${i} { fill: ${colour} }`).join(' ')
}

function text(x: number, y: number, words: string, anchor?: 'middle' | 'end'): string {
  return `<text x="${pixels(x)}" y="${pixels(y)}"${anchor === undefined ? '' : ` text-anchor="${anchor}"`}>${escaped(words)}</text>`
}

function pixels(value: number): number {
  return Number(value.toFixed(1))
}

function escaped(words: string): string {
  return words.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`)
}
