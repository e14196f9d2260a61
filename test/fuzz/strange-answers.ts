// SPDX-License-Identifier: MIT
// Answers of a Redis server that no script of ours gives, and who gives them when.
import { SCRIPTS } from '../../src/backends/redis/scripts.ts'
import { type Liar, type Lie, type Reply, ReplyError } from './lying-proxy.ts'

type Random = () => number

const NAMES = new Map(Object.values(SCRIPTS).map(({ name, sha }) => [sha, name as string]))
const SOURCES = new Map(Object.values(SCRIPTS).map(({ name, source }) => [source, name as string]))

/** The script that is run, or the command. */
export function nameOf([command = '', which = '']: readonly string[]): string {
  const word = command.toUpperCase()
  return (word === 'EVALSHA' ? NAMES : SOURCES).get(which) ?? word
}

const nested = (depth: number): Reply => (depth === 0 ? 'x' : [nested(depth - 1)])

/** Nothing of this is what any script answers, whatever it was asked. */
const STRANGE: readonly Reply[] = [
  null,
  [],
  [null],
  [[]],
  [''],
  '',
  'OK',
  'x'.repeat(100_000),
  0,
  7,
  -99,
  [7],
  [-99, 1, 1],
  ['x', 'y'],
  [1],
  [1, null],
  [1, 'x'],
  [1, []],
  [1, -1, -1, -1],
  [2, 'x', 'x'],
  [2, null, []],
  [2, Number.MAX_SAFE_INTEGER, 1],
  [Number.MAX_SAFE_INTEGER],
  Buffer.from(':9223372036854775807\r\n'),
  Buffer.from('*1\r\n:-9223372036854775808\r\n'),
  Buffer.from('+QUEUED\r\n'),
  Buffer.from('*-1\r\n'),
  nested(60),
  Array.from({ length: 3_000 }, (_, i) => i),
  [-3],
  [-3, null],
  [-3, '9|x|y'],
  new ReplyError('ERR'),
  new ReplyError(''),
  new ReplyError('no word in capitals'),
  new ReplyError('NEVERHEARD of it'),
  new ReplyError('NOSCRIPT No matching script.'),
  new ReplyError('WRONGTYPE Operation against a key holding the wrong kind of value'),
  new ReplyError('OOM command not allowed'),
  new ReplyError('READONLY You can not write against a read only replica.'),
  new ReplyError('NOPERM this user has no permissions'),
  [new ReplyError('ERR inside'), 1],
]

function strange(random: Random, truth: Reply): Lie {
  const dice = random() % 20
  if (dice === 0) return 'silence'
  if (dice === 1) return 'cut off'
  if (dice < 8 && Array.isArray(truth) && truth.length > 0) return { say: spoilt(random, truth) }
  return { say: STRANGE[random() % STRANGE.length]! }
}

/** The answer with something missing, something in the place of something else, or all inside a list. */
function spoilt(random: Random, truth: readonly Reply[]): Reply {
  const at = random() % truth.length
  const how = random() % 3
  if (how === 0) return truth.slice(0, at)
  if (how === 1) return [truth]
  return [...truth.slice(0, at), STRANGE[random() % 12]!, ...truth.slice(at + 1)]
}

/** What a message may be that no script sends: half of one, one about nobody, one whose token is none. */
function strangeMessage(random: Random, [kind = '', channel = '', text = '']: readonly Reply[]): Lie {
  const [id] = String(text).split(' ')
  const texts = [
    `${id}`,
    `${id} `,
    `${id} x`,
    `${id} 1`,
    ' ',
    '',
    'x',
    `nobody ${text}`,
    'x '.repeat(10_000),
    String(text).slice(0, -5),
    '\0',
  ]
  return { say: [kind, channel, texts[random() % texts.length]!] }
}

/** Lies about one script, or about all of them and what else is asked, now and then or always. */
export function liarOf(random: Random): Liar {
  const names = [...NAMES.values(), 'push', 'EVAL', 'ZCARD', 'CONFIG']
  const about = random() % 4 === 0 ? names : [names[random() % names.length]!]
  const oneIn = 1 + (random() % 4)
  return (command, truth) => {
    const name = command[0] === 'push' ? 'push' : nameOf(command)
    if (!about.includes(name) || random() % oneIn !== 0) return undefined
    if (name !== 'push') return strange(random, truth)
    return Array.isArray(truth) && truth[0] === 'message' ? strangeMessage(random, truth) : undefined
  }
}
