// SPDX-License-Identifier: MIT
// The Lua scripts as the server gets them: read from the files beside this one, with what they include, and without their comments.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A script, and the name under which the server remembers it. */
export interface Script {
  readonly name: ScriptName
  readonly source: string
  /** SHA-1 of the source in hexadecimal, for EVALSHA. */
  readonly sha: string
}

/** Each is described at the head of its file, `lua/<name>.lua`: keys, arguments and answer. */
export type ScriptName = 'acquire' | 'audit' | 'close-session' | 'downgrade' | 'heartbeat' | 'inspect' | 'open-session' | 'release' | 'tidy'

/** Every script, by name. */
export const SCRIPTS: Readonly<Record<ScriptName, Script>> = {
  acquire: load('acquire'),
  audit: load('audit'),
  'close-session': load('close-session'),
  downgrade: load('downgrade'),
  heartbeat: load('heartbeat'),
  inspect: load('inspect'),
  'open-session': load('open-session'),
  release: load('release'),
  tidy: load('tidy'),
}

function load(name: ScriptName): Script {
  const source = expand(read(name))
  return { name, source, sha: createHash('sha1').update(source).digest('hex') }
}

function read(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8')
}

/** Includes come first, as `--@include` is a comment to Lua; then all lines go that hold nothing but a comment. */
function expand(text: string): string {
  return text
    .replace(/^--@include ([\w-]+)\.lua$/gm, (_, included: string) => read(included))
    .split('\n')
    .filter((line) => !/^\s*(--.*)?$/.test(line))
    .join('\n')
}
