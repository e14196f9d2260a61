// SPDX-License-Identifier: MIT
// What a suite has measured, as text for a terminal.
import type { Notes, Outcome, Target } from './harness.ts'
import type { Page } from './pages/page.ts'
import { bound, keeps } from './verdict.ts'

export function table(name: string, targets: Readonly<Record<string, Target>>, { figures, notes }: Outcome, page?: Page): string {
  const ids = [...Object.keys(targets), ...Object.keys(figures).filter((id) => !Object.hasOwn(targets, id))]
  const rows = ids.map((id) => {
    const value = figures[id]
    const target = targets[id]
    const verdict = target === undefined || value === undefined ? '' : keeps(value, target) ? 'yes' : 'NO'
    return [id, value === undefined ? '-' : String(value), target === undefined ? '' : bound(target), verdict]
  })
  const { peers, median_ns, spread, remarks, machine, node, distributions, ...more } = notes
  const medians = Object.entries(median_ns).map(([id, value]) => [id, String(value), `± ${Math.round(50 * (spread[id] ?? 0))} %`])
  return [
    `${name}: ${machine}, Node ${node}`,
    aligned([['figure', 'measured', 'target', 'met'], ...rows]),
    aligned([['median', 'ns', 'spread'], ...medians]),
    ...(Object.keys(peers).length === 0 ? [] : [`Peers: ${Object.entries(peers).flat().join(' ')}`]),
    ...others(more),
    ...Object.entries(page?.figures ?? {}).map(([id, says]) => `- ${id}: ${says}`),
    ...remarks.map((remark) => `- ${remark}`),
    '',
  ].join('\n\n')
}

function others(more: Partial<Notes>): string[] {
  return Object.entries(more).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '))
    .join('\n')
}
