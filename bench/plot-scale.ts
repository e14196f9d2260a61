// SPDX-License-Identifier: MIT
// Where values lie along an axis, where it has its ticks, and how values are written.

export interface Scale {
  /** From 0 at the beginning of the axis to 1 at its end. */
  at(value: number): number
  readonly ticks: readonly number[]
}

const STEPS = [1, 2, 5, 10]
/** More ticks than these are a picket fence. */
const MOST_TICKS = 9

/** Never less than a factor of ten from end to end: what hardly differs shall look as if it hardly differs. */
export function logScale(values: readonly number[]): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  if (!(low > 0)) throw new Error(`There is no logarithm of ${low}.`)
  const from = Math.max(...STEPS.map((step) => step * decade(low)).filter((value) => value <= low * (1 + 1e-9)))
  const to = Math.max(STEPS.map((step) => step * decade(high)).find((value) => value >= high * (1 - 1e-9))!, from * 10)
  const fine = Array.from({ length: Math.round(Math.log10(to / from)) + 2 }, (_, i) => decade(from) * 10 ** i).flatMap((power) =>
    [1, 2, 5].map((step) => Number((step * power).toPrecision(3))),
  )
  const within = fine.filter((tick) => tick >= from * (1 - 1e-9) && tick <= to * (1 + 1e-9))
  const ticks = within.length <= MOST_TICKS ? within : within.filter((tick) => Math.abs(Math.log10(tick) % 1) < 1e-9)
  return { at: (value) => Math.log(value / from) / Math.log(to / from), ticks }
}

/** From 0 to a round number. */
export function linearScale(values: readonly number[]): Scale {
  const high = Math.max(...values)
  const step = [...STEPS, 20].map((one) => (one * decade(high)) / 10).find((one) => one * 5 >= high * (1 - 1e-9))!
  const to = step * Math.ceil((high / step) * (1 - 1e-9))
  return {
    at: (value) => value / to,
    ticks: Array.from({ length: Math.round(to / step) + 1 }, (_, i) => Number((i * step).toPrecision(3))),
  }
}

/** Nanoseconds in the unit that suits them. */
export function duration(ns: number): string {
  const [unit, size] = ns < 1e3 ? ['ns', 1] : ns < 1e6 ? ['µs', 1e3] : ns < 1e9 ? ['ms', 1e6] : ['s', 1e9]
  return `${short(ns / Number(size))} ${unit}`
}

/** With three digits that count, and commas between thousands. */
export function short(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US', { maximumFractionDigits: 10 })
}

function decade(value: number): number {
  return 10 ** Math.floor(Math.log10(value) + 1e-9)
}
