// SPDX-License-Identifier: MIT
// Adds to package-lock.json the optional packages of other platforms that `npm install` left out, as it does when a registry does not have
// them: `npm ci` would refuse such a lock file. Run it after every change of dependencies.
import { readFileSync, writeFileSync } from 'node:fs'

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32']
const PROCESSORS = ['arm64', 'x64', 'ia32', 'ppc64', 'riscv64', 's390x', 'loong64', 'arm', 'wasm32']

const path = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(path, 'utf8'))
const { packages } = lock
let added = 0

for (const entry of Object.values(packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`
    if (key in packages) continue
    const words = name.split('/').at(-1)
    const os = SYSTEMS.filter((system) => words.includes(system))
    const cpu = PROCESSORS.find((processor) => words.includes(processor))
    if (os.length === 0 || cpu === undefined) continue
    packages[key] = {
      version: range.replace(/^[\^~]/, ''),
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
      os,
      cpu: [cpu],
      ...(words.includes('musl') ? { libc: ['musl'] } : words.endsWith('gnu') ? { libc: ['glibc'] } : {}),
    }
    added++
  }
}

lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`${added} packages added to package-lock.json`)
