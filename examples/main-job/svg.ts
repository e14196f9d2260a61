// SPDX-License-Identifier: MIT
// As much SVG as the time line needs: elements as strings, escaped.

export type Attributes = Readonly<Record<string, string | number>>

/** An element; numbers are rounded to a tenth of a pixel. `children` are elements already. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${typeof value === 'number' ? short(value) : escapeText(value)}"`,
  )
  return children.length === 0 ? `<${name}${written.join('')}/>` : `<${name}${written.join('')}>${children.join('')}</${name}>`
}

export function text(x: number, y: number, style: string, content: string): string {
  return element('text', { x, y, class: style }, escapeText(content))
}

/** What a browser shows when the pointer rests on the element around it. */
export function tooltip(content: string): string {
  return element('title', {}, escapeText(content))
}

export function line(x1: number, y1: number, x2: number, y2: number, style: string): string {
  return element('line', { x1, y1, x2, y2, class: style })
}

/** Control characters have no place in XML, escaped or not. */
export function escapeText(content: string): string {
  return content
    .replace(/[^\t\n\r\x20-\uFFFF]/g, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

function short(value: number): string {
  return String(Math.round(value * 10) / 10)
}
