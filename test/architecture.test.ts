// SPDX-License-Identifier: MIT
// The house keeps its order: who may import whom, what is exported, how a file begins.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, extname, join, relative, resolve } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import manifest from '../package.json' with { type: 'json' }

const home = resolve(import.meta.dirname, '..')
const src = join(home, 'src')

/** From the ground up: a room may import only from rooms before it. The files that lie beside the rooms are helpers, which need nothing but core and each other. */
const ROOMS = [
  'core',
  'helpers',
  'native',
  'communicators',
  'backends',
  'lock-space',
  'diagnostics',
  'lock-file',
  'config',
  'group',
  'hdf5',
  'compat',
  'evidence',
  'cli',
  'conformance',
  'index',
]

function filesBelow(folder: string, extensions: readonly string[]): string[] {
  return readdirSync(join(home, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && extensions.includes(extname(entry.name)))
    .map((entry) => relative(home, join(entry.parentPath, entry.name)))
    .sort()
}

/** `src/backends/file/shard.ts` lies in the room `backends`, in its part `file`; `src/owner.ts` among the helpers. */
function placeOf(file: string): { room: string; part: string } {
  const [room = '', part = ''] = relative(src, file).replace(/\.ts$/, '').split('/')
  if (part === '') return { room: ROOMS.includes(room) ? room : 'helpers', part }
  return { room, part: room === 'backends' ? part : '' }
}

const sources = filesBelow('src', ['.ts']).map((file) => {
  const text = readFileSync(join(home, file), 'utf8')
  const imports = ts.preProcessFile(text).importedFiles.map(({ fileName }) => fileName)
  return { file, text, imports }
})

/** What one file imports of ours that it may not, by its place. */
function trespasses({ file, imports }: { file: string; imports: readonly string[] }): string[] {
  const from = placeOf(join(home, file))
  return imports
    .filter((name) => name.startsWith('.'))
    .filter((name) => {
      const to = placeOf(resolve(home, dirname(file), name))
      if (to.room === from.room) return to.part !== from.part
      return !ROOMS.includes(to.room) || ROOMS.indexOf(to.room) > ROOMS.indexOf(from.room)
    })
    .map((name) => `${file} imports ${name}`)
}

describe('The rooms of src', () => {
  test('are all known.', () => {
    const rooms = new Set(sources.map(({ file }) => placeOf(join(home, file)).room))
    expect([...rooms].filter((room) => !ROOMS.includes(room))).toEqual([])
  })

  test('import only from rooms below them, and no backend imports another.', () => {
    expect(sources.flatMap(trespasses)).toEqual([])
  })

  test('would be found out otherwise.', () => {
    const tries = [
      ['src/core/lease.ts', '../owner.ts'],
      ['src/backends/file/index.ts', '../memory.ts'],
      ['src/backends/memory.ts', '../lock-space.ts'],
      ['src/owner.ts', './lock-space.ts'],
      ['src/owner.ts', './native/libc.ts'],
      ['src/cli/run.ts', '../somewhere/else.ts'],
    ] as const
    for (const [file, name] of tries) expect(trespasses({ file, imports: [name] })).toHaveLength(1)
    expect(trespasses({ file: 'src/backends/file/index.ts', imports: ['./shard.ts', '../../native/libc.ts', 'node:fs'] })).toEqual([])
  })

  test('stand on core, which imports nothing from outside, not even from Node.', () => {
    const outward = sources
      .filter(({ file }) => file.startsWith('src/core/'))
      .flatMap(({ file, imports }) => imports.map((name) => `${file}: ${name}`))
    expect(outward.length).toBeGreaterThan(0)
    expect(outward.filter((line) => !/: \.\/[^/]+\.ts$/.test(line))).toEqual([])
  })

  test('load koffi in native alone.', () => {
    const loaders = sources.filter(({ imports }) => imports.includes('koffi')).map(({ file }) => file)
    expect(loaders.filter((file) => !file.startsWith('src/native/'))).toEqual([])
  })

  test('have no default exports.', () => {
    const defaults = sources.filter(({ text }) => /^export default\b|\bas default\b/m.test(text))
    expect(defaults.map(({ file }) => file)).toEqual([])
  })
})

test('Every program file begins with its licence, after a #! line if it has one.', () => {
  const programs = ['src', 'test', 'bench', 'examples', 'scripts'].flatMap((folder) =>
    filesBelow(folder, ['.ts', '.js', '.mjs', '.sh', '.lua', '.py', '.c']),
  )
  expect(programs.length).toBeGreaterThan(sources.length)
  const begins = /^(#!.*\n)?(\/\/|#|--) SPDX-License-Identifier: MIT\n/
  expect(programs.filter((file) => !begins.test(readFileSync(join(home, file), 'utf8')))).toEqual([])
})

test('What each entry point exports is written down, and changes on purpose only.', async () => {
  const entries = Object.entries(manifest.exports).flatMap(([entry, target]) => {
    if (typeof target === 'string') return []
    return [
      { entry: entry.replace('.', manifest.name), file: join(home, target.default.replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts')) },
    ]
  })
  const names = exportsOf(entries.map(({ file }) => file))
  const lines = entries.map(({ entry, file }) => [entry, ...(names.get(file) ?? []).map((name) => `  ${name}`)].join('\n'))
  expect(entries.length).toBeGreaterThan(1)
  await expect(`${lines.join('\n\n')}\n`).toMatchFileSnapshot('./exports.txt')
})

/** By file, the names that it exports, types included, in alphabetical order. Only files of ours are opened: names need no more. */
function exportsOf(files: readonly string[]): Map<string, readonly string[]> {
  const options: ts.CompilerOptions = {
    noLib: true,
    types: [],
    module: ts.ModuleKind.NodeNext,
    allowImportingTsExtensions: true,
    noEmit: true,
  }
  const host = ts.createCompilerHost(options)
  host.resolveModuleNameLiterals = (names, containing) =>
    names.map(({ text }) => {
      const known = text.startsWith('.') ? { resolvedFileName: resolve(dirname(containing), text), extension: ts.Extension.Ts } : undefined
      return { resolvedModule: known }
    })
  const program = ts.createProgram(files, options, host)
  const checker = program.getTypeChecker()
  return new Map(
    files.map((file) => {
      const source = program.getSourceFile(file)
      const symbol = source && checker.getSymbolAtLocation(source)
      if (symbol === undefined) throw new Error(`${relative(home, file)} is an entry point in package.json, and no module.`)
      const named = checker.getExportsOfModule(symbol).map((one) => `${isValue(one, checker) ? '' : 'type '}${one.name}`)
      return [file, named.sort()]
    }),
  )
}

function isValue(name: ts.Symbol, checker: ts.TypeChecker): boolean {
  const typeOnly = name.declarations?.some((one) => ts.isExportSpecifier(one) && (one.isTypeOnly || one.parent.parent.isTypeOnly))
  const target = name.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(name) : name
  return !typeOnly && (target.flags & ts.SymbolFlags.Value) !== 0
}
