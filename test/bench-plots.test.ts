// SPDX-License-Identifier: MIT
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Axis, barChart, distributionChart, lineChart } from '../bench/plot.ts'
import { duration, linearScale, logScale, short } from '../bench/plot-scale.ts'
import { PLOTS } from '../bench/report-files.ts'
import { askPython } from './support/python.ts'

/** Answers the name of the root of each; the parser behind it takes nothing that is not well-formed. */
const PARSE = `
import json, sys
from xml.dom.minidom import parseString
print(json.dumps([parseString(one).documentElement.tagName for one in json.load(sys.stdin)]))
`

const count: Axis = { label: 'how many', scale: 'log', format: short }
const cost: Axis = { label: 'cost', scale: 'log', format: duration }
const words = { title: 'A & B', description: 'What "less" < "more" looks like.' }

function numbers(svg: string, pattern: RegExp): number[][] {
  return [...svg.matchAll(pattern)].map((found) => found.slice(1).map(Number))
}

describe('a plot', () => {
  const line = lineChart({
    ...words,
    x: count,
    y: cost,
    series: {
      'one <of> them': [
        [1, 100],
        [10, 1_000],
        [100, 100_000],
      ],
      other: [[1, 50]],
    },
  })
  const bars = barChart({
    ...words,
    format: duration,
    bars: [
      { name: 'ours', value: 50, kind: 'ours' },
      { name: 'theirs', value: 200, kind: 'peer' },
    ],
  })
  const stairs = distributionChart({
    ...words,
    x: { ...cost, label: 'time' },
    series: { all: { '0': 1e3, '50': 1e4, '99': 9e4, '99.5': 1e5, '100': 1e6 } },
  })

  it('is well-formed, whatever its words are', () => {
    expect(askPython(PARSE, [line, bars, stairs])).toEqual(['svg', 'svg', 'svg'])
  })

  it('of the page is well-formed', () => {
    const plots = readdirSync(PLOTS).map((file) => readFileSync(join(PLOTS, file), 'utf8'))
    expect(plots.length).toBeGreaterThan(0)
    expect(askPython(PARSE, plots)).toEqual(plots.map(() => 'svg'))
  })

  it('has a title and tells its numbers in words', () => {
    expect(line).toContain('<title id="title">A &#38; B</title>')
    expect(line).toMatch(/<desc id="desc">.*one &#60;of&#62; them: 100 ns at 1, 1 µs at 10, 100 µs at 100\. other: 50 ns at 1\.<\/desc>/)
    expect(bars).toMatch(/<desc id="desc">.*ours: 50 ns; theirs: 200 ns\.<\/desc>/)
    expect(stairs).toMatch(/<desc id="desc">.*all: 50 % at 10 µs, 99 % at 90 µs\.<\/desc>/)
  })

  it('of lines has a point for each number, as far from the last as their quotient says', () => {
    const points = numbers(line, /<circle class="f0" cx="([\d.]+)" cy="([\d.]+)"/g)
    expect(points).toHaveLength(3)
    const [[x1, y1], [x2, y2], [x3, y3]] = points as [number, number][] as [[number, number], [number, number], [number, number]]
    expect(x2 - x1).toBeCloseTo(x3 - x2, 0)
    expect(x2).toBeGreaterThan(x1)
    expect(y2 - y3).toBeCloseTo(2 * (y1 - y2), 0)
    expect(y1).toBeGreaterThan(y2)
    expect(line).toContain(`d="M${x1} ${y1}L${x2} ${y2}L${x3} ${y3}"`)
    expect(line).toContain('<title>one &#60;of&#62; them, 10: 1 µs</title>')
  })

  it('of bars has them as long as their values', () => {
    const [[ours], [theirs]] = numbers(bars, /<rect class="f\d" .* width="([\d.]+)" height/g) as [[number], [number]]
    expect(theirs / ours).toBeCloseTo(4, 1)
    expect(bars).toContain('>50 ns</text>')
    expect(bars).toContain('>200 ns</text>')
  })

  it('of a distribution goes up where its times are', () => {
    const [[x0, y0, ...steps]] = numbers(
      stairs,
      /class="s0" d="M([\d.]+) ([\d.]+)H([\d.]+)V([\d.]+)H([\d.]+)V([\d.]+)H([\d.]+)V([\d.]+)H([\d.]+)V([\d.]+)"/g,
    ) as [number[]]
    const [x50, y50, , , x995, , x100, y100] = steps as [number, number, number, number, number, number, number, number]
    expect(x50 - x0!).toBeCloseTo(x995 - x50, 0)
    expect(x100 - x995).toBeCloseTo(x995 - x50, 0)
    expect(y0! - y50).toBeCloseTo(y50 - y100, 0)
  })

  it('refuses to draw the logarithm of nothing', () => {
    expect(() => lineChart({ ...words, x: count, y: cost, series: { none: [[1, 0]] } })).toThrow('no logarithm of 0')
  })
})

describe('an axis', () => {
  it('of logarithms spans a factor of ten at least, so that noise looks like noise', () => {
    const { at, ticks } = logScale([100, 110])
    expect(at(110) - at(100)).toBeLessThan(0.05)
    expect(ticks).toEqual([100, 200, 500, 1000])
  })

  it('of logarithms holds all its values, and has whole decades as ticks where there are many', () => {
    const { at, ticks } = logScale([3, 4_500_000])
    expect(at(3)).toBeGreaterThanOrEqual(0)
    expect(at(4_500_000)).toBeLessThanOrEqual(1)
    expect(ticks).toEqual([10, 100, 1e3, 1e4, 1e5, 1e6])
  })

  it('that is linear begins at zero and ends at a round number', () => {
    expect(linearScale([73]).ticks).toEqual([0, 20, 40, 60, 80])
    expect(linearScale([100]).ticks).toEqual([0, 20, 40, 60, 80, 100])
    expect(linearScale([73]).at(40)).toBeCloseTo(0.5)
  })

  it('writes times in the unit that suits them', () => {
    expect([3, 1_234, 56_789_000, 2.5e9].map(duration)).toEqual(['3 ns', '1.23 µs', '56.8 ms', '2.5 s'])
    expect(short(123_456)).toBe('123,000')
  })
})
