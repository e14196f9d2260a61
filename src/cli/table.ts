// SPDX-License-Identifier: MIT
// Rows as aligned text.

export interface Row {
  readonly path: string
  readonly mode?: string
  readonly who?: string
  readonly since?: string
  readonly token?: string
  readonly command?: string
  /** Drawn so that it stands out. */
  readonly waits?: boolean
}

const COLUMNS = ['path', 'mode', 'who', 'since', 'token', 'command'] as const
const GAP = '  '
/** The last column keeps so many characters, however narrow the terminal. */
const LEAST_LAST_COLUMN = 20

/** @param width characters in a line, to which the last column is cut. The first row is the header. */
export function table(rows: readonly Row[], width: number | undefined, colours: boolean): string {
  const widths = COLUMNS.map((column) => Math.max(...rows.map((row) => length(row[column] ?? ''))))
  const before = widths.slice(0, -1).reduce((sum, one) => sum + one + GAP.length, 0)
  const room = width === undefined ? Number.POSITIVE_INFINITY : Math.max(LEAST_LAST_COLUMN, width - before)
  return rows
    .map((row, line) => {
      const cells = COLUMNS.map((column, i) =>
        i === COLUMNS.length - 1 ? cut(row[column] ?? '', room) : padded(row[column] ?? '', widths[i]!),
      )
      const text = cells.join(GAP).trimEnd()
      if (!colours) return text
      return line === 0 ? `\u001b[1m${text}\u001b[22m` : row.waits === true ? `\u001b[33m${text}\u001b[39m` : text
    })
    .join('\n')
}

function length(text: string): number {
  return [...text].length
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(width - length(text))
}

function cut(text: string, width: number): string {
  return length(text) <= width ? text : `${[...text].slice(0, width - 1).join('')}…`
}
