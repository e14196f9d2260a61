// SPDX-License-Identifier: MIT
// Writes what `npm run coverage` has measured into docs/coverage.md, room by room.
import { readFileSync, writeFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'

const KINDS = ['statements', 'branches', 'functions', 'lines']
const PAGE = 'docs/coverage.md'
const [BEGIN, END] = ['<!-- measured -->', '<!-- end -->']

const { total, ...files } = JSON.parse(readFileSync('coverage/coverage-summary.json', 'utf8'))

/** The folder below src/; of backends the one below that. */
function roomOf(path) {
  const [, room, inner, more] = relative(resolve('.'), path).split('/')
  if (inner === undefined) return 'src/*.ts'
  return room === 'backends' ? `${room}/${more === undefined ? '*.ts' : inner}` : room
}

const rooms = new Map()
for (const [path, measured] of Object.entries(files)) {
  const name = roomOf(path)
  const room = rooms.get(name) ?? Object.fromEntries(KINDS.map((kind) => [kind, { covered: 0, total: 0 }]))
  for (const kind of KINDS) {
    room[kind].covered += measured[kind].covered
    room[kind].total += measured[kind].total
  }
  rooms.set(name, room)
}

const percent = ({ covered, total }) => (total === 0 ? '–' : `${((100 * covered) / total).toFixed(1)} %`)
const row = (name, room) => `| ${name} | ${room.statements.total} | ${KINDS.map((kind) => percent(room[kind])).join(' | ')} |`
const names = [...rooms.keys()].sort()
const table = [
  `Measured on ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}:`,
  '',
  `| room | size in statements | ${KINDS.join(' | ')} |`,
  `|---|---|${KINDS.map(() => '---|').join('')}`,
  ...names.map((name) => row(name, rooms.get(name))),
  row('**all of src/**', total),
].join('\n')

const page = readFileSync(PAGE, 'utf8')
writeFileSync(PAGE, `${page.slice(0, page.indexOf(BEGIN) + BEGIN.length)}\n${table}\n${page.slice(page.indexOf(END))}`)
console.log(table)
